import Dispatch
import Glibc
import Synchronization
import SystemPackage

/// A create that waits for the namespace that is being made.
final class WaitingCreate: Sendable {
    private let hasEnded = DispatchSemaphore(value: 0)
    private let given = Mutex<NewNamespace?>(nil)

    /// Ends the wait, once.
    func end(with namespace: NewNamespace?) {
        given.withLock { $0 = namespace }
        hasEnded.signal()
    }

    /// Waits for no longer than that; false says that it has not ended.
    func isOver(within time: DispatchTimeInterval) -> Bool { hasEnded.wait(timeout: .now() + time) == .success }

    func waitForEnd() { hasEnded.wait() }

    /// What it ended with.
    func take() -> NewNamespace? { given.withLock { $0.take() } }
}

extension WarmPool {
    /// A namespace for a create to give its name to; nil when there is none that would do, or its settings are old by
    /// now.
    ///
    /// - Parameter up: Whether it is to have loopback up. One that has not may be answered nevertheless: to raise it is
    ///   dear, and a fraction of making another one.
    func take(up: Bool) -> NewNamespace? {
        let (given, isOfBurst) = noteAndWaitForOne(up: up)
        var outdated: [NewNamespace] = []
        let (taken, call) = state.withLock { state -> (NewNamespace?, (@Sendable () -> Void)?) in
            guard !state.wanted.isEmpty else { return (nil, nil) }
            var given = given
            if given != nil || state.size > 0, state.settings?.haveChanged() ?? true {
                outdated = state.drop(.settings, given.take())
            }
            state.askedAt = .now
            let taken = given ?? state.popLast(up: up) ?? (up ? state.popLast(up: false) : nil)
            if taken == nil { state.facts.misses += 1 } else { state.facts.hits += 1 }
            // The next create of a burst will find it made, or nearly; also after one that found none, which otherwise
            // would be followed by others as slow.
            let isWanted =
                state.fitting == 0 && state.isShort && state.making == nil && state.askedAt >= state.restsUntil
            return (taken, isWanted && (taken != nil || isOfBurst) ? state.call : nil)
        }
        withExtendedLifetime(outdated) {}
        call?()
        return taken
    }

    /// Notes what is asked for, and lets it be made if it is being made already: that will end sooner than another one
    /// begun now, unless this thread is needed for something else. Tells whether another one was asked for a moment
    /// before.
    private func noteAndWaitForOne(up: Bool) -> (given: NewNamespace?, isOfBurst: Bool) {
        let (waiting, isOfBurst) = state.withLock { state -> (WaitingCreate?, Bool) in
            guard !state.wanted.isEmpty else { return (nil, false) }
            state.wanted.note(up: up)
            let now = ContinuousClock.now
            defer { state.askedAt = now }
            let isOfBurst = now - state.askedAt < Self.burstPause
            guard state.making == up, state.down.isEmpty, !up || state.up.isEmpty, state.waiting == nil,
                state.hasQueue?() != true
            else { return (nil, isOfBurst) }
            let waiting = WaitingCreate()
            state.waiting = waiting
            return (waiting, isOfBurst)
        }
        guard let waiting else { return (nil, isOfBurst) }
        if !waiting.isOver(within: Self.patienceForOne) {
            let isForgotten = state.withLock { state in
                guard state.waiting === waiting else { return false }
                state.waiting = nil
                return true
            }
            // Whoever has taken it is about to end it.
            if !isForgotten { waiting.waitForEnd() }
        }
        return (waiting.take(), isOfBurst)
    }

    /// How long one that is being made may take, to be worth waiting for.
    private static let patienceForOne = DispatchTimeInterval.microseconds(700)

    /// Lets go of a namespace that gets a name otherwise: an administrator can name every descriptor there is, also one
    /// of this process, and the namespace of each of its threads. One that was handed out before that has two names
    /// then, as whenever a namespace is adopted.
    func disown(_ identity: NamespaceIdentity) {
        let dropped = state.withLock { state in
            if state.making != nil { state.disowned.append(identity) }
            let before = (up: state.up, down: state.down)
            state.up.removeAll { $0.status.identity.isSame(as: identity) }
            state.down.removeAll { $0.status.identity.isSame(as: identity) }
            return before
        }
        withExtendedLifetime(dropped) {}
    }

    /// Runs `body`, which makes a namespace, and runs it again when the kernel had no room for another one but will,
    /// now that the pool has dropped its own.
    package func makingRoom<Value>(
        _ body: () throws(SystemError) -> Value
    ) throws(SystemError) -> Value {
        let end = ContinuousClock.now + Self.patience
        while true {
            do throws(SystemError) {
                return try body()
            } catch  where error.isShortageOfNamespaces {
                guard yield(), .now < end else { throw error }
                // A dropped namespace counts until `cleanup_net` has been at it.
                usleep(5000)
            }
        }
    }

    /// Drops all; false says that this has not made room, now or a moment ago.
    private func yield() -> Bool {
        let dropped = state.withLock { state in
            let now = ContinuousClock.now
            let namespaces = state.giveUp(at: now)
            return (namespaces: namespaces, hasHelped: now < state.yieldedUntil)
        }
        return dropped.hasHelped
    }

    /// How long the kernel may take to clean up.
    static let patience = Duration.milliseconds(250)
}

extension SystemError {
    /// Whether a namespace could not be made because there are too many, or too much else.
    package var isShortageOfNamespaces: Bool {
        operation == .unshare && (errno == .noSpace || errno == .noMemory)
    }
}
