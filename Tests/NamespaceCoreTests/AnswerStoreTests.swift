import LinuxKit
import SystemPackage
import Testing

@testable import NamespaceCore

@Suite("Answers that are kept for retries") struct AnswerStoreTests {
    private let mark = Fingerprint(of: [[1], [2, 3]])
    private let answer = AnswerStore.Answer(
        status: 201, type: "application/json", location: "/v1/namespaces/a", tag: nil, body: Array("{\"é\":1}\n".utf8))

    private func store(_ bench: Bench, bootID: String = "boot") throws -> AnswerStore {
        try AnswerStore(directory: bench.directory, kernel: bench.kernel, bootID: bootID, clock: bench.clock)
    }

    /// The claim in a word.
    private func claim(_ store: AnswerStore, _ key: String, _ mark: Fingerprint) async throws -> String {
        switch try await store.claim(key, mark) {
        case .new(let made): "new \(made.count)"
        case .answered(let kept): kept == answer ? "answered" : "another answer"
        case .inProgress: "in progress"
        case .reused: "reused"
        }
    }

    @Test("a key is new, in progress, answered, and never another request's") func claims() async throws {
        let bench = try Bench()
        let store = try store(bench)
        let other = Fingerprint(of: [[1, 2], [3]])
        #expect(try await claim(store, "k", mark) == "new 0")
        #expect(try await claim(store, "k", mark) == "in progress")
        #expect(try await claim(store, "k", other) == "reused")
        await store.keep(answer, for: "k")
        #expect(try await claim(store, "k", mark) == "answered")
        #expect(try await claim(store, "k", other) == "reused")
        #expect(try await claim(store, "l", mark) == "new 0")
        await store.forget("l")
        #expect(try await claim(store, "l", other) == "new 0")
    }

    @Test("answers outlive a restart, not a boot, and a day of uptime at most") func restarts() async throws {
        let bench = try Bench()
        let first = try store(bench)
        #expect(try await claim(first, "k", mark) == "new 0")
        await first.keep(answer, for: "k")
        let second = try store(bench)
        try await second.load([:])
        #expect(try await claim(second, "k", mark) == "answered")
        bench.clock.advance(by: 24 * 60 * 60 - 1)
        #expect(try await claim(second, "k", mark) == "answered")
        let third = try store(bench, bootID: "another")
        try await third.load([:])
        #expect(try await claim(third, "k", mark) == "new 0")
        bench.clock.advance(by: 1)
        #expect(try await claim(second, "k", mark) == "new 0")
    }

    @Test("what was made by a request whose answer was lost is found again") func lostAnswer() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let request = RequestMark(key: "k", fingerprint: mark, item: 3)
        _ = try await manager.create(Creation(.exactly(try name("a")), request: request))
        let restarted = try bench.manager()
        try await restarted.start()
        guard case .new(let made) = try await restarted.answers.claim("k", mark) else {
            Issue.record("not to be done again")
            return
        }
        #expect(made == [3: try name("a")])
    }
}
