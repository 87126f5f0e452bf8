import Dispatch
import Glibc
import Synchronization
import SystemPackage

/// Namespaces made in advance, so that a create has only to give one its name: unshare(2) is the dearest part of it.
///
/// Whatever is handed out cannot be told from a namespace made on demand. The ones with the loopback interface up are
/// kept apart from the ones that never had it up, since lowering it again leaves its addresses behind; there are as
/// many of each as the last creates asked for, and of both before the first. When a setting that namespaces inherit
/// changes, all of them are dropped. They are dropped as well when the kernel refuses to make another one, because what
/// is asked for comes first; and there are fewer when memory is short.
package final class WarmPool: Preparation {
    /// What the pool is and has done, for those who look after the host.
    package struct Facts: Sendable, Equatable {
        /// How many namespaces it is to hold: fewer than it was made for when memory is short, 0 when it is off.
        package var capacity = 0
        /// How many it holds now.
        package var size = 0
        /// Creates that got one.
        package var hits = 0
        /// Creates that found none, and made their own.
        package var misses = 0
        /// Namespaces that were made in advance and dropped, by the cause.
        fileprivate var drops: [Cause: Int] = [:]
        /// Times that the kernel refused to make one in advance.
        package var failures = 0

        /// Of a pool that is off.
        package init() {}

        /// Namespaces that were made in advance and dropped.
        package func dropped(_ cause: Cause) -> Int { drops[cause] ?? 0 }
    }

    /// Why a namespace was dropped.
    package enum Cause: String, Sendable, CaseIterable {
        /// A setting that namespaces inherit has changed.
        case settings
        /// The other kind was asked for.
        case kind
        /// The host was short of memory.
        case memory
        /// The kernel had refused to make another one.
        case refusal
    }

    struct State: ~Copyable {
        var settings: InheritedSettings?
        /// Calls a thread to make one at once.
        var call: (@Sendable () -> Void)?
        /// Whether jobs wait for a thread.
        var hasQueue: (@Sendable () -> Bool)?
        var facts = Facts()
        var up: [NewNamespace] = []
        var down: [NewNamespace] = []
        var wanted: Demand
        /// Which kind is being made.
        var making: Bool?
        /// The create that is to have it.
        var waiting: WaitingCreate?
        /// How often a setting had been written when that began.
        var writesBefore = 0
        /// What was given a name while one was being made, which may be that one.
        var disowned: [NamespaceIdentity] = []
        var restsUntil: ContinuousClock.Instant
        var nextCheck: ContinuousClock.Instant
        /// When a create last took one, or found none.
        var askedAt: ContinuousClock.Instant
        /// Until when dropping namespaces may have made room for others.
        var yieldedUntil: ContinuousClock.Instant
    }

    /// For the parts of the pool alone.
    let state: Mutex<State>
    private let availableMemory: @Sendable () -> UInt64?
    private let checkInterval: Duration
    /// What making one in advance took.
    package let refills = DurationTally()

    /// How long a new daemon has more important things to do.
    private static let startDelay = Duration.milliseconds(50)
    /// How long the pool stays empty after the kernel refused to make a namespace.
    static let rest = Duration.seconds(10)

    /// An empty pool for `capacity` namespaces, or as many as a quarter of the process's descriptors; call from the
    /// namespace that the workers call home.
    ///
    /// - Parameters:
    ///   - availableMemory: How many bytes the host has left, nil where that is unknown.
    ///   - checkInterval: How often that is asked, and settings are read that may have been changed unnoticed.
    package init(
        capacity: Int, availableMemory: @escaping @Sendable () -> UInt64? = HostMemory.available,
        checkInterval: Duration = .seconds(5)
    ) throws(SystemError) {
        let now = ContinuousClock.now
        let settings = capacity > 0 ? try InheritedSettings() : nil
        let most = settings == nil ? 0 : min(capacity, ProcessStatistics.descriptorLimit.map { Int($0 / 4) } ?? .max)
        var facts = Facts()
        facts.capacity = min(most, Self.room(in: availableMemory()))
        self.availableMemory = availableMemory
        self.checkInterval = checkInterval
        state = Mutex(
            State(
                settings: settings, facts: facts, wanted: Demand(count: most),
                restsUntil: now + Self.startDelay, nextCheck: now + checkInterval, askedAt: now - Self.burstEnd,
                yieldedUntil: now))
    }

    /// How many may be held where so much memory is left: they take a sixteenth of what is over the reserve.
    private static func room(in memory: UInt64?) -> Int {
        guard let memory else { return .max }
        return memory > memoryReserve ? Int((memory - memoryReserve) / 16 / memoryOfEach) : 0
    }

    private static let memoryReserve: UInt64 = 64 << 20
    /// What the kernel takes for a namespace, measured with thousands of them.
    private static let memoryOfEach: UInt64 = 256 << 10

    /// What it is and has done.
    package var facts: Facts {
        state.withLock { state in
            var facts = state.facts
            facts.size = state.size
            return facts
        }
    }

    /// Whether it will never hold one: closed, made for none, or in a network namespace that is not the host's first.
    package var isOff: Bool { state.withLock { $0.wanted.isEmpty } }

    /// Whether it holds only namespaces with loopback up, or none with.
    func isAllOfKind(up: Bool) -> Bool {
        state.withLock { state in up ? state.down.isEmpty : state.up.isEmpty }
    }

    /// Drops all, for good.
    package func close() {
        let dropped = state.withLock { state in
            state.facts.capacity = 0
            state.wanted = Demand(count: 0)
            return state.empty()
        }
        withExtendedLifetime(dropped) {}
    }
}

/// Whether the last creates, as many as a pool holds, wanted loopback up.
struct Demand: Sendable {
    private var kinds: [Bool]
    private var countUp: Int
    private var oldest = 0
    /// What the latest one wanted.
    private(set) var latest: Bool?

    /// As many of the one kind as of the other: what a new pool will be asked for is unknown.
    init(count: Int) {
        kinds = (0..<count).map { !$0.isMultiple(of: 2) }
        countUp = count / 2
        latest = kinds.last
    }

    /// Whether there is no pool.
    var isEmpty: Bool { kinds.isEmpty }

    var count: Int { kinds.count }

    /// Notes what is wanted now, in the place of the oldest; there has to be a pool.
    mutating func note(up: Bool) {
        countUp += (up ? 1 : 0) - (kinds[oldest] ? 1 : 0)
        kinds[oldest] = up
        oldest = (oldest + 1) % kinds.count
        latest = up
    }

    /// How many of so many are to be up, in the proportion of what was wanted.
    func up(of capacity: Int) -> Int { isEmpty ? 0 : (countUp * capacity + count / 2) / count }
}

// MARK: - Refilling

extension WarmPool {
    package var delay: Duration? {
        state.withLock { state -> Duration? in
            guard !state.wanted.isEmpty else { return nil }
            let now = ContinuousClock.now
            if now < state.restsUntil { return state.restsUntil - now }
            guard state.nextKind != nil else { return max(state.nextCheck - now, Self.quietDelay) }
            let isEager = state.fitting == 0 && state.isShort
            return isEager ? Self.eagerDelay : max(state.askedAt + Self.burstEnd - now, Self.quietDelay)
        }
    }

    /// With nothing in the pool for it, the next create would wait for what is made now, or for less. A client that
    /// makes one after the other sends the next a moment later.
    private static let eagerDelay = Duration.microseconds(50)
    /// With something for it, making more would get in the way of what goes on.
    private static let quietDelay = Duration.milliseconds(2)
    /// How long after a create the next one is expected: while there are some, a burst has the processors to itself.
    private static let burstEnd = Duration.milliseconds(10)

    /// Whether a burst of creates goes on that has the next one, or the one after it, ask for what there is not.
    package var isPressing: Bool {
        state.withLock { state in
            let now = ContinuousClock.now
            return !state.wanted.isEmpty && now >= state.restsUntil && now - state.askedAt < Self.burstPause
                && state.isShort
        }
    }

    /// How long after one create the next one of a burst comes at the latest.
    static let burstPause = Duration.milliseconds(1)

    package func attach(call: @escaping @Sendable () -> Void, hasQueue: @escaping @Sendable () -> Bool) {
        state.withLock { ($0.call, $0.hasQueue) = (call, hasQueue) }
    }

    package func jobIsWaiting() {
        // Not worth a wait: the create that does not hear of it waits for less than a millisecond.
        let waiting = state.withLockIfAvailable { $0.waiting.take() } ?? nil
        waiting?.end(with: nil)
    }

    /// Whether one is being made now.
    package var isMaking: Bool { state.withLockIfAvailable { $0.making != nil } ?? false }

    /// Whether one of a kind is there to be taken and none is being made.
    package func isReady(up: Bool) -> Bool {
        state.withLockIfAvailable { $0.making == nil && !(up ? $0.up : $0.down).isEmpty } ?? false
    }

    /// Makes one namespace, or looks at settings and memory again if that is due.
    package func perform(on thread: inout KernelThread) {
        let start = ContinuousClock.now
        let isDue = state.withLock { start >= $0.nextCheck }
        let room = isDue ? Self.room(in: availableMemory()) : nil
        var dropped: [NewNamespace] = []
        let kind = state.withLock { state -> Bool? in
            guard !state.wanted.isEmpty, start >= state.restsUntil else { return nil }
            if isDue ? state.settings?.reread() ?? true : state.settings?.haveChanged() ?? true {
                dropped = state.drop(.settings)
            }
            if let room {
                state.nextCheck = start + checkInterval
                dropped += state.fit(in: room)
            }
            // A burst that began since this was planned is left alone while there is something for it.
            guard state.isShort || start - state.askedAt >= Self.burstEnd else { return nil }
            state.making = state.nextKind
            state.writesBefore = state.settings?.writes ?? 0
            return state.making
        }
        withExtendedLifetime(dropped) {}
        guard let kind else { return }
        let begin = SystemTime.monotonicNanoseconds
        var result = Result { () throws(SystemError) in try Self.make(up: kind, on: &thread) }
        // A thread that is lost for this must not be followed by all the others.
        if !thread.isHome { result = .failure(SystemError(.setns, errno: .notPermitted)) }
        refills.add(nanoseconds: SystemTime.monotonicNanoseconds - begin)
        let (excess, waiting, given) = state.withLock { state in
            let excess = state.store(result, up: kind)
            // To that very create: another one would be there before it has woken up.
            let waiting = state.waiting.take()
            return (excess, waiting, waiting == nil ? nil : state.popLast(up: kind))
        }
        waiting?.end(with: given)
        withExtendedLifetime(excess) {}
    }

    private static func make(up: Bool, on thread: inout KernelThread) throws(SystemError) -> NewNamespace {
        let way = thread.way
        return try thread.inNewNetworkNamespace { () throws(SystemError) in
            try .current(raisingLoopback: up, by: way)
        }
    }
}

extension WarmPool.State {
    var size: Int { up.count + down.count }

    /// How many there are of those that would do for what was asked for last.
    var fitting: Int { wanted.latest == false ? down.count : size }

    /// Whether one is to be made that the next create, or the one after it, would find wanting.
    var isShort: Bool {
        guard fitting < 2, let kind = nextKind else { return false }
        return !kind || wanted.latest == true
    }

    /// The kind that there are too few of; nil when there are enough.
    fileprivate var nextKind: Bool? {
        let wantedUp = wanted.up(of: facts.capacity)
        // What is asked for now goes first, as those with loopback up are of no use to it.
        if wanted.latest == false, down.count < min(2, facts.capacity - wantedUp) { return false }
        if size >= facts.capacity, up.count == wantedUp { return nil }
        return up.count < wantedUp
    }

    mutating func popLast(up isUp: Bool) -> NewNamespace? { isUp ? up.popLast() : down.popLast() }

    fileprivate mutating func empty() -> [NewNamespace] {
        defer { (up, down) = ([], []) }
        return up + down
    }

    /// Drops all, and another one.
    mutating func drop(_ cause: WarmPool.Cause, _ other: NewNamespace? = nil) -> [NewNamespace] {
        let dropped = empty() + (other.map { [$0] } ?? [])
        count(dropped.count, cause)
        return dropped
    }

    private mutating func count(_ number: Int, _ cause: WarmPool.Cause) { facts.drops[cause, default: 0] += number }

    /// Sees to it that there are no more than there is room for.
    fileprivate mutating func fit(in room: Int) -> [NewNamespace] {
        facts.capacity = min(wanted.count, room)
        var excess: [NewNamespace] = []
        let wantedUp = wanted.up(of: facts.capacity)
        while size > facts.capacity {
            let namespace = up.count > wantedUp || down.isEmpty ? up.popLast() : down.popLast()
            excess += namespace.map { [$0] } ?? []
        }
        count(excess.count, .memory)
        return excess
    }

    /// Leaves the room to others for a while.
    mutating func giveUp(at now: ContinuousClock.Instant) -> [NewNamespace] {
        restsUntil = now + WarmPool.rest
        if size > 0 { yieldedUntil = now + WarmPool.patience }
        return drop(.refusal)
    }

    /// Takes in what was made, and answers what there is no place for any more.
    fileprivate mutating func store(
        _ result: Result<NewNamespace, SystemError>, up isUp: Bool
    ) -> [NewNamespace] {
        let disowned = disowned
        (making, self.disowned) = (nil, [])
        let now = ContinuousClock.now
        switch result {
        case .failure:
            facts.failures += 1
            return giveUp(at: now)
        case .success(let namespace):
            guard !wanted.isEmpty else { return [namespace] }
            guard now >= restsUntil else {
                count(1, .refusal)
                return [namespace]
            }
            let outdated = settings?.haveChanged() ?? true ? drop(.settings) : []
            // Which values it has is unknown if one was written while it was made, also if another thread noticed.
            guard settings?.writes == writesBefore else {
                count(1, .settings)
                return outdated + [namespace]
            }
            if disowned.contains(where: { namespace.status.identity.isSame(as: $0) }) { return [namespace] }
            var excess: NewNamespace?
            if size >= facts.capacity { excess = isUp ? down.popLast() : up.popLast() }
            if isUp { up.append(namespace) } else { down.append(namespace) }
            count(excess == nil ? 0 : 1, .kind)
            return excess.map { [$0] } ?? []
        }
    }
}
