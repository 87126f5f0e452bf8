import Foundation
import LinuxKit
import SystemPackage
import Testing

@testable import NamespaceCore

@Suite("The manager") struct NamespaceManagerTests {
    @Test("50 creates of one name: one wins, and no two ever run at once") func oneWinner() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        let codes = await withTaskGroup(of: NamespaceError.Code?.self) { group in
            for _ in 0..<50 { group.addTask { await code { _ = try await manager.create(name, loopback: .up) } } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(codes.filter { $0 == nil }.count == 1)
        #expect(codes.filter { $0 == .nameTaken }.count == 49)
        #expect(bench.kernel.mostRunningOnOneName == 1)
        #expect(bench.kernel.preparations == 1)
    }

    @Test(
        "a failed create has its own code, leaves no record, and the next one works",
        arguments: [
            (SystemError(.unshare, errno: .noSpace), NamespaceError.Code.limitReached),
            (SystemError(.unshare, errno: .notPermitted), .missingCapability),
            (SystemError(.unshare, errno: .noMemory), .outOfMemory),
            (SystemError(.bindMount, "/fake/a", errno: .noSpace), .limitReached),
            (SystemError(.open, errno: .tooManyOpenFiles), .limitReached),
            (SystemError(.write, "/record", errno: .noSpace), .storageFailure),
            (SystemError(.verifyMount, "/fake/a", errno: .staleNFSFileHandle), .busy),
        ])
    func failedCreate(error: SystemError, expected: NamespaceError.Code) async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        try await manager.start()
        bench.kernel.fail(error)
        let name = try name("a")
        #expect(await code { _ = try await manager.create(name, loopback: .up) } == expected)
        #expect(try bench.recordedNames().isEmpty)
        #expect(await code { _ = try await manager.create(name, loopback: .up) } == nil)
        #expect(try bench.recordedNames() == ["a"])
    }

    @Test("a refused create leaves the record of what has the name alone") func refusedCreateKeepsRecord() async throws
    {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        _ = try await manager.create(name, loopback: .up)
        #expect(await code { _ = try await manager.create(name, loopback: .down) } == .nameTaken)
        #expect(try bench.recordedNames() == ["a"])
        #expect(try await manager.namespace(name).origin == .created)
    }

    @Test("PUT is the same answer again, or says what differs") func ensure() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        #expect(try await manager.ensure(name, loopback: .down).isNew)
        #expect(try await !manager.ensure(name, loopback: .down).isNew)
        #expect(await code { _ = try await manager.ensure(name, loopback: .up) } == .differs)
        let stale = try self.stale(bench)
        #expect(await code { _ = try await manager.ensure(stale, loopback: .up) } == .stale)
    }

    private func stale(_ bench: Bench) throws -> NamespaceName {
        let stale = try name("stale")
        bench.kernel.add(stale, .stale)
        return stale
    }

    @Test("a directory that vanished is set up again") func directoryLost() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        _ = try await manager.create(try name("a"), loopback: .up)
        bench.kernel.loseDirectory()
        _ = try await manager.create(try name("b"), loopback: .up)
        #expect(bench.kernel.preparations == 2)
    }

    @Test("a failed set-up is tried again by the next request") func preparationRetried() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        bench.kernel.fail(SystemError(.bindMount, "/fake", errno: .noMemory))
        let name = try name("a")
        #expect(await code { _ = try await manager.create(name, loopback: .up) } == .directoryUnavailable)
        #expect(await code { _ = try await manager.create(name, loopback: .up) } == nil)
    }

    @Test("a private mount namespace is refused before anything is mounted, and said so") func privatePropagation()
        async throws
    {
        let bench = try Bench()
        let hidden = try name("hidden")
        _ = try await bench.manager().create(hidden, loopback: .up)
        bench.kernel.add(hidden, .stale)
        bench.kernel.hideFromHost()
        let preparations = bench.kernel.preparations
        let manager = try bench.manager()
        try await manager.start()
        #expect(await code { try await manager.checkReadiness() } == .directoryNotShared)
        #expect(bench.kernel.preparations == preparations)
        #expect(try bench.recordedNames() == ["hidden"])
    }

    @Test("a busy file is tried again; processes inside are a reason to refuse") func deletion() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        let inode = try #require(try await manager.create(name, loopback: .up).status?.identity.inode)
        bench.kernel.putProcesses([7, 9], into: inode)
        do {
            try await manager.delete(name, ifUnused: true)
            Issue.record("deleted with processes inside")
        } catch {
            #expect(error.code == .inUse)
            #expect(error.processes == [7, 9])
        }
        let busy = SystemError(.unlink, "/fake/a", errno: .resourceBusy)
        bench.kernel.fail(busy, busy)
        try await manager.delete(name)
        #expect(try bench.recordedNames().isEmpty)
        #expect(await code { try await manager.delete(name) } == .notFound)
    }

    @Test("pages follow one another in byte order and add up") func paging() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        for index in 0..<25 { _ = try await manager.create(try name("n\(index)"), loopback: .down) }
        let stale = try stale(bench)
        var seen: [NamespaceName] = []
        var after: NamespaceName?
        repeat {
            let page = try await manager.list(limit: 10, after: after)
            #expect(page.total == 26)
            seen += page.namespaces.map(\.name)
            after = page.next
        } while after != nil
        #expect(seen.count == 26)
        #expect(seen == seen.sorted())
        #expect(seen.last == stale)
    }

    @Test("a restart keeps what is whole, undoes what a crash left, and touches nothing of others") func reconcile()
        async throws
    {
        let bench = try Bench()
        let first = try bench.manager()
        let (whole, halfMade, replaced, foreign) = (
            try name("whole"), try name("half"), try name("replaced"), try name("foreign")
        )
        for name in [whole, halfMade, replaced] { _ = try await first.create(name, loopback: .up) }
        bench.kernel.add(halfMade, .stale)
        bench.kernel.add(foreign, .stale)
        let other = NamespaceIdentity(device: 4, inode: 4, cookie: 99)
        bench.kernel.add(replaced, .namespace(NamespaceStatus(identity: other, isLoopbackUp: true, mountID: 1)))
        let records = try String(contentsOfFile: bench.recordFile.string, encoding: .utf8)
        try Data("{\n\(records)".utf8).write(to: URL(filePath: bench.recordFile.string))

        let second = try bench.manager()
        try await second.start()
        #expect(try await second.namespace(whole).origin == .created)
        #expect(try await second.namespace(replaced).origin == .external)
        #expect(try await second.namespace(foreign).state == .stale)
        #expect(await code { _ = try await second.namespace(halfMade) } == .notFound)
        #expect(try bench.recordedNames() == ["whole"])
        #expect(try String(contentsOfFile: bench.recordFile.string + ".unreadable", encoding: .utf8) == "{\n")
    }

    @Test("records of another boot are no longer worth anything") func otherBoot() async throws {
        let bench = try Bench()
        _ = try await bench.manager(bootID: "before").create(try name("a"), loopback: .up)
        let manager = try bench.manager(bootID: "after")
        try await manager.start()
        #expect(try await manager.namespace(try name("a")).origin == .external)
        #expect(try bench.recordedNames().isEmpty)
    }
}
