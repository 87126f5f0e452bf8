import HTTPTypes
import LinuxKit
import MicroHTTP
import NamespaceCore
import Synchronization

/// The answers to the latest GET requests of a route, for as long as nothing changes.
///
/// Clients poll, mostly for what is as it was. To look at a namespace takes a worker and two wake-ups; to know that
/// there is no need takes one system call.
final class RecentAnswers: Sendable {
    /// What is known of a request.
    enum Recollection {
        /// The answer that it would have now.
        case answer(Response, Hold)
        /// Nothing, or what this request is to make anew; an answer that is made from now on may be kept.
        case unknown(NamespaceManager.Moment)
        /// Nothing, and nothing should be kept.
        case unknowable
    }

    /// For how long an answer stays what it is.
    struct Hold {
        fileprivate let moment: NamespaceManager.Moment
        /// On the monotonic clock.
        fileprivate let end: UInt64
    }

    private struct Entry {
        let response: Response
        /// When it was kept, on the monotonic clock.
        let time: UInt64
        /// Whether somebody has been sent to have another one made.
        var isBeingRenewed = false
    }

    private struct State {
        var moment: NamespaceManager.Moment?
        var entries: [RequestTarget: Entry] = [:]
        var bytes = 0
        /// The looks that were begun at this moment and have not ended.
        var looks: [RequestTarget: SharedLook] = [:]
    }

    /// The bounds; whoever goes through thousands of names or pages is not helped by this.
    static let (mostEntries, mostBytes) = (256, 1 << 20)
    /// How long an answer is good, in nanoseconds: the end of a lease is told in the wall clock's time, which may be
    /// set.
    static let longest: UInt64 = 1_000_000_000
    /// From which age on one request has it made anew while the others still get it: all of them at once would wait for
    /// each other.
    static let renewalAge = longest / 4 * 3

    private let state = Mutex(State())
    private let now: @Sendable () -> NamespaceManager.Moment?
    private let clock: @Sendable () -> UInt64

    /// - Parameters:
    ///   - now: What ``NamespaceManager/moment`` says.
    ///   - clock: The monotonic clock, in nanoseconds.
    init(
        now: @escaping @Sendable () -> NamespaceManager.Moment?,
        clock: @escaping @Sendable () -> UInt64 = { SystemTime.monotonicNanoseconds }
    ) {
        self.now = now
        self.clock = clock
    }

    convenience init(of manager: NamespaceManager) {
        self.init(now: { manager.moment })
    }

    /// What is known of a request for `target`; of all who ask for what is soon too old, one is to make it anew. Does not
    /// block.
    func recall(_ target: RequestTarget) -> Recollection {
        guard let moment = now() else { return .unknowable }
        return state.withLock { state in
            if state.moment != moment { state = State(moment: moment) }
            guard let entry = state.entries[target] else { return .unknown(moment) }
            let age = clock() - entry.time
            let isDue = age >= Self.longest || age >= Self.renewalAge && !entry.isBeingRenewed
            guard isDue else {
                return .answer(entry.response, Hold(moment: moment, end: entry.time + Self.renewalAge))
            }
            state.entries[target]?.isBeingRenewed = true
            return .unknown(moment)
        }
    }

    /// Whether an answer is still what it was, and none is to be made anew.
    ///
    /// - Parameter time: Now, on the monotonic clock, in nanoseconds.
    func has(_ hold: Hold, at time: UInt64) -> Bool { time < hold.end && now() == hold.moment }

    /// Answers what `look` does, or another one's look that is under way: of all who ask for the same at the same moment
    /// one looks, as each of them would take the others' time. If that one fails, each looks for itself.
    ///
    /// - Parameter moment: When ``recall(_:)`` did not know the answer. A look that was begun after it by somebody who
    ///   saw the same moment has seen every change that this request may not miss.
    func share(
        _ target: RequestTarget, since moment: NamespaceManager.Moment,
        _ look: () async throws(Problem) -> Response
    ) async throws(Problem) -> Response {
        let (shared, isFirst) = state.withLock { state -> (SharedLook?, Bool) in
            guard state.moment == moment else { return (nil, false) }
            if let shared = state.looks[target] { return (shared, false) }
            let shared = SharedLook()
            state.looks[target] = shared
            return (shared, true)
        }
        if !isFirst, let response = await shared?.response() { return response }
        var found: Response?
        defer { if isFirst, let shared { end(shared, target, with: found) } }
        let response = try await look()
        keep(response, to: target, since: moment)
        if response.status == .ok { found = response }
        return response
    }

    private func end(_ look: SharedLook, _ target: RequestTarget, with response: Response?) {
        state.withLock { state in
            if state.looks[target] === look { state.looks[target] = nil }
        }
        look.end(with: response)
    }

    /// How many wait for another one's look at what is there now.
    var waiting: Int { state.withLock { $0.looks.values.reduce(0) { $0 + $1.waiting } } }

    /// Keeps an answer that was begun at `moment`, unless it is out of date by now.
    func keep(_ response: Response, to target: RequestTarget, since moment: NamespaceManager.Moment) {
        guard response.status == .ok, case .bytes(let body) = response.body, body.count <= Self.mostBytes else {
            return
        }
        state.withLock { state in
            guard state.moment == moment else { return }
            if case .bytes(let former)? = state.entries.removeValue(forKey: target)?.response.body {
                state.bytes -= former.count
            }
            let isFull = state.entries.count >= Self.mostEntries || state.bytes + body.count > Self.mostBytes
            if isFull { (state.entries, state.bytes) = ([:], 0) }
            state.bytes += body.count
            state.entries[target] = Entry(response: response, time: clock())
        }
    }
}

/// A look that others wait for.
private final class SharedLook: Sendable {
    private enum State {
        case underWay([CheckedContinuation<Response?, Never>])
        case ended(Response?)
    }

    private let state = Mutex(State.underWay([]))

    var waiting: Int {
        state.withLock { state in
            if case .underWay(let others) = state { others.count } else { 0 }
        }
    }

    /// What it found, once it has ended; nil if it failed.
    func response() async -> Response? {
        await withCheckedContinuation { continuation in
            let ended: Response?? = state.withLock { state in
                switch state {
                case .underWay(let others):
                    state = .underWay(others + [continuation])
                    return nil
                case .ended(let response):
                    return .some(response)
                }
            }
            if let ended { continuation.resume(returning: ended) }
        }
    }

    func end(with response: Response?) {
        let others = state.withLock { state -> [CheckedContinuation<Response?, Never>] in
            guard case .underWay(let others) = state else { return [] }
            state = .ended(response)
            return others
        }
        for other in others { other.resume(returning: response) }
    }
}
