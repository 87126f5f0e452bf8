import Foundation
import Synchronization

/// Reads events on a thread of its own for as long as the daemon sends them.
package final class EventCollector: Sendable {
    private struct State {
        var isOpen = false
        var events: [StreamEvent] = []
        var hasEnded = false
        var failure: String?
    }

    private let state = Mutex(State())

    fileprivate init() {}

    fileprivate func run(_ open: @escaping @Sendable () throws -> EventReader) {
        Thread.detachNewThread { [self] in
            do {
                let reader = try open()
                state.withLock { $0.isOpen = true }
                while let event = try reader.next() { state.withLock { $0.events.append(event) } }
            } catch {
                state.withLock { $0.failure = "\(error)" }
            }
            state.withLock { $0.hasEnded = true }
        }
    }

    /// What has come so far.
    package var events: [StreamEvent] { state.withLock { $0.events } }

    /// Whether the daemon has ended the stream.
    package var hasEnded: Bool { state.withLock { $0.hasEnded } }

    /// The first event that `isWanted`, which may have come already; throws after `seconds`.
    @discardableResult
    package func first(
        within seconds: Double = 5, where isWanted: (StreamEvent) -> Bool
    ) async throws -> StreamEvent {
        var found: StreamEvent?
        try await wait(seconds) { state in
            found = state.events.first(where: isWanted)
            return found != nil
        }
        guard let found else { throw TestFailure("no such event among \(events.map(\.text))") }
        return found
    }

    /// The first event of a type and name; throws after `seconds`.
    @discardableResult
    package func first(_ type: String, _ name: String, within seconds: Double = 5) async throws -> StreamEvent {
        try await first(within: seconds) { $0.type == type && $0.name == name }
    }

    /// Waits until the daemon ends the stream.
    package func end(within seconds: Double = 10) async throws { try await wait(seconds) { $0.hasEnded } }

    fileprivate func opened() async throws { try await wait(10) { $0.isOpen } }

    private func wait(_ seconds: Double, until isMet: (State) -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            let state = state.withLock { $0 }
            if isMet(state) { return }
            if let failure = state.failure { throw TestFailure(failure) }
            guard ContinuousClock.now < deadline, !state.hasEnded else {
                throw TestFailure("not within \(seconds) s, after \(state.events.map(\.text).suffix(20))")
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}

extension Daemon {
    /// Opens a stream of events and collects what comes; every event is validated.
    ///
    /// - Parameter query: Such as `?since=1`.
    package func collectEvents(_ query: String = "", headers: [String] = []) async throws -> EventCollector {
        let endpoint = try endpoint()
        let validator = validator
        let collector = EventCollector()
        collector.run {
            try EventReader(endpoint, path: "/v1/events\(query)", headers: headers, validator: validator)
        }
        try await collector.opened()
        return collector
    }
}
