import Glibc

/// The kernel's clocks (clock_gettime(2)).
package enum SystemTime {
    /// The wall clock, in milliseconds since 1970. It can be stepped.
    package static var wallMilliseconds: Int64 {
        let time = read(CLOCK_REALTIME)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// The time since boot that the host was not suspended: never stepped, the same for every process.
    package static var monotonic: Duration {
        let time = read(CLOCK_MONOTONIC)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }

    /// ``monotonic`` as a number, for measuring how long something takes: reading it takes some 20 ns.
    package static var monotonicNanoseconds: UInt64 {
        let time = read(CLOCK_MONOTONIC)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// How long the calling thread has had a processor.
    static var threadProcessor: Duration {
        let time = read(CLOCK_THREAD_CPUTIME_ID)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        // These clocks are there on every Linux, so this cannot fail.
        unsafe clock_gettime(clock, &time)
        return time
    }
}
