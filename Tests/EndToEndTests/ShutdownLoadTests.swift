import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

@Suite("SIGTERM under load", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct ShutdownLoadTests {
    /// What one client has seen by the time that it was not let in any more.
    private struct Outcome: Sendable {
        var answers: [Int: Int] = [:]
        var created: [String] = []
        /// Creates that got no answer at all: their connection was closed before they were read.
        var unread: [String] = []
        /// All requests that got none.
        var unanswered = 0
        /// Requests that got a part of an answer.
        var halves: [String] = []
        /// Answers that came after the signal.
        var late = 0
    }

    @Test("Every request that was begun gets its answer, whole; no create is lost or left half", arguments: 0..<3)
    func load(round: Int) async throws {
        try await withDaemon(arguments: ["--drain-seconds", "20"], tcp: true) { daemon in
            let signal = Flag()
            let readers = try (0..<6).map { number in
                let endpoint = try daemon.endpoint(number % 2 == 0 ? .unixSocket : .tcp)
                return Task.detached {
                    try await offload {
                        let reader = try EventReader(endpoint, validator: nil)
                        while try reader.next() != nil {}
                        return reader.farewell
                    }
                }
            }
            let outcomes = try await withThrowingTaskGroup(of: Outcome.self) { group in
                for number in 0..<24 {
                    let endpoint = try daemon.endpoint(number % 2 == 0 ? .unixSocket : .tcp)
                    group.addTask {
                        try await offload {
                            Self.client(
                                number, endpoint, keepsAlive: number % 4 < 2, creates: number % 8 < 4, signal)
                        }
                    }
                }
                try await Task.sleep(for: .milliseconds(700 + 100 * round))
                signal.raise()
                let began = ContinuousClock.now
                #expect(try await daemon.stop() == 0)
                #expect(ContinuousClock.now - began < .seconds(15))
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for reader in readers { #expect(try await reader.value == #"{"reason":"shutting-down"}"#) }

            let halves = outcomes.flatMap(\.halves)
            #expect(halves.isEmpty, "\(halves)")
            let names = Set(daemon.home.names)
            let created = outcomes.flatMap(\.created)
            #expect(created.count > 50)
            #expect(names == Set(created), "what is there is what was answered")
            #expect(names.isDisjoint(with: outcomes.flatMap(\.unread)))
            let answers = outcomes.reduce(into: [:]) { $0.merge($1.answers, uniquingKeysWith: +) }
            #expect(Set(answers.keys).isSubset(of: [200, 201, 503]), "\(answers)")
            // Nothing takes longer than the deadline: what is refused or not read came in the moment of closing.
            #expect(answers[503, default: 0] <= 4, "\(answers)")
            #expect(outcomes.reduce(0) { $0 + $1.unanswered } <= 4)
            #expect(outcomes.reduce(0) { $0 + $1.late } > 0, "the signal came while requests were under way")
            #expect(!daemon.log.contains("Fatal"))
        }
    }

    /// Makes requests until nobody lets it in.
    private static func client(
        _ number: Int, _ endpoint: Endpoint, keepsAlive: Bool, creates: Bool, _ signal: Flag
    ) -> Outcome {
        var outcome = Outcome()
        var connection: RawConnection?
        for turn in 0..<100_000 {
            if connection == nil { connection = try? RawConnection(endpoint) }
            guard let open = connection else { return outcome }
            let name = "c\(number)-\(turn)"
            do {
                let headers = keepsAlive ? [] : ["Connection: close"]
                if creates {
                    try open.send("POST", "/v1/namespaces", body: #"{"name":"\#(name)"}"#, headers: headers)
                } else {
                    try open.send("GET", "/v1/namespaces?limit=5", headers: headers)
                }
                let response = try open.response()
                outcome.answers[response.status, default: 0] += 1
                if response.status == 201 { outcome.created.append(name) }
                if signal.isRaised { outcome.late += 1 }
                if response.headers["connection"]?.lowercased() == "close" { connection = nil }
            } catch {
                if open.hasRest { outcome.halves.append("\(name): \(error)") }
                outcome.unanswered += 1
                if creates { outcome.unread.append(name) }
                connection = nil
            }
        }
        return outcome
    }
}

private final class Flag: Sendable {
    private let raised = Atomic<Bool>(false)

    var isRaised: Bool { raised.load(ordering: .relaxed) }

    func raise() { raised.store(true, ordering: .relaxed) }
}
