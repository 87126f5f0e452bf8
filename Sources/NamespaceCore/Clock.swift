import LinuxKit

/// Where the manager takes time from; tests have one that they move by hand.
package protocol NamespaceClock: Sendable {
    /// The wall clock, for people. It can be stepped.
    var now: Timestamp { get }
    /// The time since boot that the host was not suspended. Leases are measured by it, so that neither a stepped clock
    /// nor a suspended laptop ends one early.
    var uptime: Duration { get }
    /// Waits until ``uptime`` may have reached `deadline`; may return early, and throws only when cancelled.
    func sleep(until deadline: Duration) async throws
}

/// The host's clocks.
package struct HostClock: NamespaceClock {
    package init() {}

    package var now: Timestamp { Timestamp(milliseconds: SystemTime.wallMilliseconds) }
    package var uptime: Duration { SystemTime.monotonic }

    package func sleep(until deadline: Duration) async throws {
        try await Task.sleep(for: deadline - uptime, clock: .suspending)
    }
}
