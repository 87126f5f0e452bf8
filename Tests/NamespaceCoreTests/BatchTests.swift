import Foundation
import SystemPackage
import Testing

@testable import NamespaceCore

@Suite("Batches") struct BatchTests {
    private func creations(_ names: [String]) throws -> [Creation] {
        try names.map { Creation(.exactly(try name($0))) }
    }

    @Test("a batch makes what it can, and answers in order") func independent() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        _ = try await manager.create(try name("b"))
        let results = await manager.create(try creations(["a", "b", "c"]))
        #expect(try results[0].get().name.description == "a")
        #expect(throws: NamespaceError.self) { try results[1].get() }
        #expect(try results[2].get().name.description == "c")
    }

    @Test("an atomic batch that fails leaves nothing, tells nobody, and says which item it was") func atomic()
        async throws
    {
        let bench = try Bench()
        let manager = try bench.manager()
        _ = try await manager.create(try name("taken"))
        let start = manager.events.newest
        let names = (0..<50).map { "n\($0)" } + ["taken"]
        let wanted = try creations(names)
        do throws(BatchError) {
            _ = try await manager.createAtomically(wanted)
            Issue.record("made in spite of a taken name")
        } catch {
            #expect(error.item == 50)
            #expect(error.cause.code == .nameTaken)
        }
        #expect(try bench.recordedNames() == ["taken"])
        #expect(try await manager.list(limit: 1).total == 1)
        #expect(manager.history(after: start).isEmpty)
        let made = try await manager.createAtomically(try creations(["x", "y"]))
        #expect(made.count == 2)
        #expect(manager.history(after: start) == ["created x", "created y"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(bench.directory)/batches").isEmpty)
    }

    @Test("two atomic batches of the same names do not wait for each other") func noDeadlock() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let names = (0..<20).map { "n\($0)" }
        let (forward, backward) = (try creations(names), try creations(names.reversed()))
        async let first = Result<[Namespace], any Error> { try await manager.createAtomically(forward) }
        async let second = Result<[Namespace], any Error> { try await manager.createAtomically(backward) }
        let successes = await [first, second].count { (try? $0.get()) != nil }
        #expect(successes == 1)
        #expect(try await manager.list(limit: 1).total == 20)
    }

    @Test("a start undoes an atomic batch that was not committed, whole namespaces too") func uncommitted() async throws
    {
        let bench = try Bench()
        let first = try bench.manager()
        _ = try await first.create(try name("other"))
        let made = try await first.createAtomically(try creations(["a", "b"]))
        // As if the daemon had died right before it committed.
        let batch = try #require(made[0].record?.batch)
        try BatchJournal(directory: bench.directory).begin(batch)
        let second = try bench.manager()
        #expect(try await second.start().undone == 2)
        #expect(try bench.recordedNames() == ["other"])
        #expect(bench.kernel.entry(try name("a")) == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(bench.directory)/batches").isEmpty)
    }
}
