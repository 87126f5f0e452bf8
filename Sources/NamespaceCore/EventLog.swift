import DequeModule
import Synchronization

/// The latest changes, for whoever follows them. Readers pull at their own pace from one bounded ring, so that none of
/// them makes anything grow or a writer wait.
package final class EventLog: Sendable {
    /// How many changes are kept, fewer if they are large.
    package static let capacity = 4096
    /// What the labels of the changes that are kept take at most, in bytes.
    private static let mostLabelBytes = 8 * 1024 * 1024

    /// Somebody who wants to know when there is something to read.
    package protocol Follower: AnyObject, Sendable {
        /// There may be something to read. Must not block.
        func newsArrived()
        /// A while has passed; for signs of life. Must not block.
        func timePassed()
        /// The daemon is shutting down.
        func logClosed()
    }

    /// What a look brings.
    package enum Reading: Sendable {
        case events([Event])
        /// The log cannot tell what came after the revision: it is too old, or of another run.
        case gone
    }

    private struct State {
        var ring: Deque<Event> = []
        var labelBytes = 0
        /// How many there have been of each kind.
        var published: [Event.Kind: UInt64] = [:]
        var newest: Revision
        var followers: [ObjectIdentifier: any Follower] = [:]
        var isClosed = false
    }

    private let state: Mutex<State>
    private let start: Revision
    /// One message stands for any number of changes.
    private let news: AsyncStream<Void>
    private let newsContinuation: AsyncStream<Void>.Continuation
    private let clock: any NamespaceClock

    package init(clock: any NamespaceClock) {
        self.clock = clock
        start = .start(at: clock.now)
        state = Mutex(State(newest: start))
        (news, newsContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// The revision of the latest change.
    package var newest: Revision { state.withLock { $0.newest } }

    /// Adds a change, and answers its revision.
    @discardableResult
    func append(_ kind: Event.Kind, _ name: NamespaceName, _ namespace: Namespace?) -> Revision {
        append(kind, name, namespace, subject: nil)
    }

    /// Adds what happened in a namespace, or to a wire, and answers its revision.
    @discardableResult
    package func append(_ kind: Event.Kind, in name: NamespaceName, _ subject: Event.Subject?) -> Revision {
        append(kind, name, nil, subject: subject)
    }

    private func append(
        _ kind: Event.Kind, _ name: NamespaceName, _ namespace: Namespace?, subject: Event.Subject?
    ) -> Revision {
        let at = clock.now
        let (revision, hasFollowers) = state.withLock { state in
            state.newest = state.newest.next()
            let event = Event(
                revision: state.newest, kind: kind, at: at, name: name, namespace: namespace, subject: subject)
            state.ring.append(event)
            state.published[kind, default: 0] += 1
            state.labelBytes += event.labelBytes
            while state.ring.count > Self.capacity || state.labelBytes > Self.mostLabelBytes {
                state.labelBytes -= state.ring.removeFirst().labelBytes
            }
            return (state.newest, !state.followers.isEmpty)
        }
        if hasFollowers { newsContinuation.yield() }
        return revision
    }

    /// The changes after `revision`, the oldest first, at most `limit` of them.
    package func read(after revision: Revision, limit: Int) -> Reading {
        state.withLock { state in
            let oldest = state.newest.next(-state.ring.count)
            guard revision >= max(start, oldest), revision <= state.newest else { return .gone }
            let skipped = Int(revision.number - oldest.number)
            return .events(Array(state.ring[skipped...].prefix(limit)))
        }
    }

    /// Lets `follower` know of changes from now on; false says that the log is closed.
    package func follow(_ follower: any Follower) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.followers[ObjectIdentifier(follower)] = follower
            return true
        }
    }

    package func unfollow(_ follower: any Follower) {
        _ = state.withLock { $0.followers.removeValue(forKey: ObjectIdentifier(follower)) }
    }

    /// How many follow.
    package var followerCount: Int { state.withLock { $0.followers.count } }

    /// How many changes of that kind there have been in this run.
    package func count(of kind: Event.Kind) -> UInt64 { state.withLock { $0.published[kind, default: 0] } }

    /// Passes news on, and every `interval` the word that time has passed, until cancelled. Followers are told here, so
    /// that no writer does it.
    package func run(interval: Duration) async {
        await withDiscardingTaskGroup { group in
            group.addTask { [self] in
                for await _ in news {
                    for follower in followers { follower.newsArrived() }
                }
            }
            group.addTask { [self] in
                while (try? await Task.sleep(for: interval)) != nil {
                    for follower in followers { follower.timePassed() }
                }
            }
        }
    }

    /// Tells every follower that there will be no more.
    package func close() {
        let followers = state.withLock { state in
            state.isClosed = true
            return Array(state.followers.values)
        }
        for follower in followers { follower.logClosed() }
    }

    private var followers: [any Follower] { state.withLock { Array($0.followers.values) } }
}

extension Event {
    fileprivate var labelBytes: Int {
        (namespace?.record?.labels.values ?? [:]).reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    }
}

// MARK: - Waiting

extension EventLog {
    /// The changes after `revision`, as soon as there are any; none when `time` has passed or the log is closed.
    package func read(after revision: Revision, limit: Int, waiting time: Duration) async -> Reading {
        let waiter = Waiter()
        defer { unfollow(waiter) }
        // Followed before the first look, so that nothing slips in between.
        let isOpen = follow(waiter)
        let timeout = Task {
            try? await Task.sleep(for: time)
            waiter.logClosed()
        }
        defer { timeout.cancel() }
        while true {
            let reading = read(after: revision, limit: limit)
            if case .events(let events) = reading, events.isEmpty, isOpen, await waiter.waitForNews() { continue }
            return reading
        }
    }

    /// A follower that is a task waiting for news.
    private final class Waiter: Follower {
        private struct State {
            var hasNews = false
            var isOver = false
            var continuation: CheckedContinuation<Bool, Never>?
        }

        private let state = Mutex(State())

        /// True says that there is news, false that there will be none.
        func waitForNews() async -> Bool {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Bool? in
                    if state.hasNews || state.isOver {
                        defer { state.hasNews = false }
                        return state.hasNews
                    }
                    state.continuation = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        }

        func newsArrived() { end { $0.hasNews = $0.continuation == nil } }
        func logClosed() { end(with: false) { $0.isOver = true } }
        func timePassed() {}

        private func end(with answer: Bool = true, _ change: (inout State) -> Void) {
            let continuation = state.withLock { state in
                change(&state)
                defer { state.continuation = nil }
                return state.continuation
            }
            continuation?.resume(returning: answer)
        }
    }
}
