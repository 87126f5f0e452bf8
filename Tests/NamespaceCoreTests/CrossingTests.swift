import LinuxKit
import SystemPackage
import Testing

@testable import NamespaceCore

@Suite("What we and others do to one name at once") struct CrossingTests {
    @Test("a name that others removed before we did has vanished, for those who follow too") func deletedByBoth()
        async throws
    {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        _ = try await manager.create(name)
        let start = manager.events.newest
        bench.kernel.remove(name)
        #expect(await code { try await manager.delete(name) } == .notFound)
        #expect(manager.history(after: start) == ["vanished a"])
        #expect(await code { try await manager.delete(name) } == .notFound)
        #expect(manager.history(after: start) == ["vanished a"])

        _ = try await manager.create(name)
        bench.kernel.remove(name)
        _ = try await manager.create(name)
        #expect(manager.history(after: start) == ["vanished a", "created a", "vanished a", "created a"])
    }

    @Test("what was there before us is no news") func nothingAppearsAtStart() async throws {
        let bench = try Bench()
        for index in 0..<50 { bench.kernel.add(try name("n\(index)"), namespaceEntry(100 + UInt64(index))) }
        let manager = try bench.manager()
        let start = manager.events.newest
        #expect(try await manager.start().external == 50)
        bench.kernel.reportSweep()
        try await Task.sleep(for: .milliseconds(50))
        #expect(manager.history(after: start).isEmpty)
        await manager.stop()
    }

    @Test("a file that is listed before it is mounted on appears once, as what it becomes") func halfMade() async throws
    {
        let bench = try Bench()
        let manager = try bench.manager()
        try await manager.start()
        let start = manager.events.newest
        let (mounted, plain) = (try name("mounted"), try name("plain"))
        bench.kernel.add(mounted, .stale)
        bench.kernel.add(plain, .stale)
        #expect(try await manager.list(limit: 10).namespaces.map(\.state) == [.stale, .stale])
        #expect(manager.history(after: start).isEmpty)
        bench.kernel.add(mounted, namespaceEntry(70))
        bench.kernel.reportChange(of: mounted)
        bench.kernel.reportChange(of: plain)
        #expect(await manager.nextEvents(2, after: start).sorted() == ["appeared mounted", "appeared plain"])
        await manager.stop()
    }

    @Test("a prune leaves alone what becomes a namespace while it looks") func pruneOfHalfMade() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let (stale, made) = (try name("stale"), try name("made"))
        bench.kernel.add(stale, .stale)
        bench.kernel.add(made, .stale)
        async let pruned = manager.prune()
        try await Task.sleep(for: .milliseconds(10))
        bench.kernel.add(made, namespaceEntry(70))
        #expect(try await pruned.deleted == [stale])
        #expect(bench.kernel.entry(made) == namespaceEntry(70))
    }

    @Test("one name that cannot be removed does not keep the daemon from starting") func startGoesOn() async throws {
        let bench = try Bench()
        let first = try bench.manager()
        let made = try await first.createAtomically([
            Creation(.exactly(try name("a"))), Creation(.exactly(try name("b"))),
        ])
        let batch = try #require(made[0].record?.batch)
        try BatchJournal(directory: bench.directory).begin(batch)
        bench.kernel.failRemoval(of: try name("a"), SystemError(.unlink, "/fake/a", errno: .ioError))
        try await bench.manager().start()
        let (a, b) = (try name("a"), try name("b"))
        #expect(bench.kernel.entry(a) != nil && bench.kernel.entry(b) == nil)
        // The batch still counts as unfinished, so that the next start tries again.
        try await bench.manager().start()
        #expect(bench.kernel.entry(a) == nil)
        #expect(try bench.recordedNames().isEmpty)
    }

    @Test("paging ends with names that are not UTF-8 too") func oddNames() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        for bytes: [UInt8] in [[0x61], [0x61, 0xff], [0x61, 0xff, 0x62], [0x62]] {
            bench.kernel.add(try #require(NamespaceName(bytes: bytes)), .stale)
        }
        var seen = 0
        var after: NamespaceName?
        for _ in 0..<10 {
            let page = try await manager.list(limit: 1, after: after)
            seen += page.namespaces.count
            // What a client gets, and sends back.
            guard let next = page.next?.description else { break }
            after = try name(next)
        }
        #expect(seen == 4)
    }
}
