// Glibc's structs too: in a release build they are found in this one, which is loaded first.
import CMicroHTTPD
import Glibc
import Synchronization
import SystemPackage

/// Serves the connections of a libmicrohttpd daemon that has no thread of its own: one that is started here does, or,
/// while that one leaves them to others, whoever calls ``takeTurn()``.
///
/// Rule: whoever sees `isLeft` may try to serve, and `turns` lets in one at a time. What is wanted is noted before anybody
/// is looked for to do it, so that it is seen by whoever serves, by the thread before it waits, or by the next one who
/// helps; if none comes, the thread serves again after its patience.
///
/// `@unchecked Sendable`: `daemon` is used, and connections are admitted to it, by whoever holds `turns` alone; `thread`
/// is written once, before anybody else has the object, and joined once, in ``stop()``; the rest does not change or is
/// atomic.
@safe final class EventLoop: @unchecked Sendable {
    /// For how long the connections are left to others who do not come.
    private static let patience = Duration.milliseconds(4)

    private let daemon: OpaquePointer
    private let admit: @Sendable (Arrival) -> Void
    /// The daemon's epoll(7) set.
    private let events: CInt
    private let wake: Wake
    private let help: ServingHelp?
    private var thread = pthread_t()
    /// Sockets on their way to the daemon.
    private let arrivals = Mutex<[Arrival]>([])
    /// Held by whoever serves.
    private let turns = Mutex(false)
    /// Whether `turns` is held: a try at it would be a system call.
    private let isServed = Atomic<Bool>(false)
    /// Whether it is not the thread that serves.
    private let isHelped = Atomic<Bool>(false)
    /// Whether there is something to do that `events` does not tell of.
    private let isWanted = Atomic<Bool>(false)
    /// Whether the thread waits, or soon will, and is to be woken for what `events` does not tell of.
    private let isWaiting = Atomic<Bool>(false)
    /// Whether the thread leaves the connections to others.
    private let isLeft = Atomic<Bool>(false)
    private let latestTurn = Mutex(ContinuousClock.now)
    private let isStopping = Atomic<Bool>(false)

    /// A connection that was accepted.
    struct Arrival: Sendable {
        let descriptor: CInt
        let address: sockaddr_storage
        let size: socklen_t
    }

    /// Begins to serve.
    ///
    /// - Parameters:
    ///   - daemon: Made for no thread. Only this object may use it until ``stop()`` returns.
    ///   - address: What to name in an error.
    ///   - admit: Has the daemon take a connection. Called when nobody else uses the daemon.
    init(
        _ daemon: OpaquePointer, help: ServingHelp?, for address: ListenAddress,
        admit: @escaping @Sendable (Arrival) -> Void
    ) throws(ListenError) {
        unsafe self.daemon = unsafe daemon
        self.admit = admit
        events = unsafe cmicrohttpd_events(daemon)
        wake = try Wake(for: address)
        self.help = help
        guard cmicrohttpd_listen_to(events, wake.descriptor) == 0 else {
            throw ListenError(address, "epoll_ctl", errno: Errno(rawValue: Glibc.errno))
        }
        // The thread's reference, released at its end.
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let status = unsafe pthread_create(&thread, nil, { unsafe EventLoop.main($0) }, context)
        guard status == 0 else {
            unsafe Unmanaged<EventLoop>.fromOpaque(context).release()
            throw ListenError(address, "pthread_create", errno: Errno(rawValue: status))
        }
        help?.add(self)
    }

    /// Ends the thread, and has nobody else serve any more. To be called once.
    func stop() {
        help?.remove(self)
        isStopping.store(true, ordering: .sequentiallyConsistent)
        wake.signal()
        _ = pthread_join(thread, nil)
        turns.withLock { hasEnded in
            admitArrivals()
            hasEnded = true
        }
    }

    /// Has the daemon take a connection, which it owns from then on, also if it refuses it.
    func add(_ arrival: Arrival) {
        arrivals.withLock { $0.append(arrival) }
        attend()
    }

    /// Has that seen to which the daemon's events do not tell of.
    func attend() {
        isWanted.store(true, ordering: .sequentiallyConsistent)
        if isWaiting.exchange(false, ordering: .sequentiallyConsistent) { wake.signal() }
    }

    /// Whether who serves now has nothing else to do. To be asked within a turn.
    var isServedByThread: Bool { !isHelped.load(ordering: .relaxed) }

    /// Sleeps, within a turn, for so long. False says that there is something else to do.
    func rest(for time: Duration) -> Bool {
        guard isServedByThread, !isWanted.load(ordering: .sequentiallyConsistent) else { return false }
        return cmicrohttpd_await_exactly(events, Int64(time / .nanoseconds(1))) == 0
    }

    private static func main(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let context = unsafe context else { return nil }
        let loop = unsafe Unmanaged<EventLoop>.fromOpaque(context).takeRetainedValue()
        unsafe cmicrohttpd_name_thread("http")
        cmicrohttpd_be_prompt()
        loop.run()
        return nil
    }

    private func run() {
        while !isStopping.load(ordering: .sequentiallyConsistent) {
            turns.withLock { _ in
                isWaiting.store(true, ordering: .sequentiallyConsistent)
                // From here on, whoever wants something gives a signal, and nobody else's turn can take it.
                let isIdle =
                    !isWanted.load(ordering: .sequentiallyConsistent)
                    && !isStopping.load(ordering: .sequentiallyConsistent)
                serve(asHelp: false, waits: isIdle)
                isWaiting.store(false, ordering: .sequentiallyConsistent)
            }
            leaveToOthers()
        }
    }
}

// MARK: - Turns

extension EventLoop {
    /// How often others look for more before they go on with their own work.
    private static let repetitions = 4

    /// Serves what there is to serve; whoever helps serves what comes meanwhile as well. Whoever calls holds `turns`.
    ///
    /// - Parameter waits: Whether to wait for something first.
    private func serve(asHelp isHelp: Bool, waits: Bool) {
        isServed.store(true, ordering: .sequentiallyConsistent)
        isHelped.store(isHelp, ordering: .relaxed)
        var count = 0
        repeat {
            isWanted.store(false, ordering: .sequentiallyConsistent)
            admitArrivals()
            unsafe cmicrohttpd_run(daemon, waits ? 1 : 0)
            count += 1
        } while isHelp && count < Self.repetitions && hasMore
        latestTurn.withLock { $0 = .now }
        isServed.store(false, ordering: .sequentiallyConsistent)
    }

    /// Whether there is something to do at once. To be asked by whoever holds `turns`.
    private var hasMore: Bool {
        unsafe cmicrohttpd_has_more(daemon) != 0 || isWanted.load(ordering: .sequentiallyConsistent)
    }

    private func admitArrivals() {
        let arrivals = arrivals.withLock { arrivals in
            defer { arrivals = [] }
            return arrivals
        }
        for arrival in arrivals { admit(arrival) }
    }

    /// Leaves the connections to others while more work waits than there are threads for it.
    private func leaveToOthers() {
        guard let help, help.isComing else { return }
        // What there was a signal for is seen to, or seen below.
        wake.clear()
        isLeft.store(true, ordering: .sequentiallyConsistent)
        defer { isLeft.store(false, ordering: .sequentiallyConsistent) }
        // Those who had nothing to do any more before that have not given a signal, nor has who wanted something.
        guard !isWanted.load(ordering: .sequentiallyConsistent) else { return }
        while help.isComing, !isStopping.load(ordering: .sequentiallyConsistent) {
            let rest = latestTurn.withLock(\.self) + Self.patience - .now
            if rest <= .zero {
                help.hasNotCome()
            } else if cmicrohttpd_await(wake.descriptor, Int64(rest / .nanoseconds(1))) > 0 {
                return
            }
        }
    }

    /// Whether the thread leaves the connections to others.
    ///
    /// - Parameter interval: And nobody has served them for so long.
    func isLeft(for interval: Duration?) -> Bool {
        guard isLeft.load(ordering: .sequentiallyConsistent) else { return false }
        return interval.map { latestTurn.withLock(\.self) + $0 <= .now } ?? true
    }

    /// Serves what there is to serve if the thread leaves that to others, and nobody else does. What comes meanwhile,
    /// more than a few times, is the thread's.
    func takeTurn() {
        guard isLeft.load(ordering: .sequentiallyConsistent) else { return }
        isWanted.store(true, ordering: .sequentiallyConsistent)
        // Who serves now sees that before it is through, or afterwards.
        for _ in 0..<2 where isWanted.load(ordering: .sequentiallyConsistent) {
            guard !isServed.load(ordering: .sequentiallyConsistent) else { return }
            let isEnded = turns.withLockIfAvailable { hasEnded in
                guard !hasEnded else { return true }
                serve(asHelp: true, waits: false)
                if hasMore { takeBack() }
                return false
            }
            if isEnded ?? true { return }
        }
        if isWanted.load(ordering: .sequentiallyConsistent) { takeBack() }
    }

    /// Has the thread serve again.
    func takeBack() {
        if isLeft.exchange(false, ordering: .sequentiallyConsistent) { wake.signal() }
    }
}
