import LinuxKit
import Synchronization
import SystemPackage
import Testing

@testable import NamespaceCore

@Suite("Changes, by clients and by others") struct ChangeTests {
    @Test("a patch changes labels by RFC 7396, and only in the state that was asked for") func patch() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        let labels = try Labels(["a": "1", "b": "2"])
        let created = try await manager.create(Creation(.exactly(name), labels: labels))
        let patch = Patch(labels: .merge(["a": nil, "b": "3", "c": "4"]))
        let patched = try await manager.update(name, patch, if: .tags([created.tag]))
        #expect(patched.record?.labels.values == ["b": "3", "c": "4"])
        #expect(
            await code { _ = try await manager.update(name, patch, if: .tags([created.tag])) } == .preconditionFailed)
        #expect(try await manager.update(name, patch, if: .any).tag == patched.tag)
        #expect(try await manager.update(name, Patch(labels: .removeAll)).record?.labels == Labels())
        #expect(await code { _ = try await manager.update(try NamespaceCoreTests.name("b"), patch) } == .notFound)
    }

    @Test("a patch that cannot be written changes nothing") func patchFails() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        let created = try await manager.create(name)
        bench.kernel.failBlocking(SystemError(.rename, "/record", errno: .noSpace))
        let patch = Patch(labels: .merge(["a": "1"]))
        #expect(await code { _ = try await manager.update(name, patch) } == .storageFailure)
        #expect(try await manager.namespace(name).tag == created.tag)
    }

    @Test("a patch adopts what another tool made; a file cannot be adopted") func adoption() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let (foreign, stale) = (try name("foreign"), try name("stale"))
        bench.kernel.add(foreign, namespaceEntry(77))
        bench.kernel.add(stale, .stale)
        try await manager.start()
        let owner = Owner(principal: "uid:5", user: 5, process: 6)
        let adopted = try await manager.update(foreign, Patch(), by: Authority(owner: owner, reach: .everything))
        #expect(adopted.origin == .adopted)
        #expect(adopted.record?.createdBy == owner)
        #expect(await code { _ = try await manager.update(stale, Patch()) } == .stale)
        #expect(try bench.recordedNames() == ["foreign"])
        #expect(try await bench.manager().start().adopted == 1)
    }

    @Test("an existing namespace gets a name, and keeps what it is") func attach() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        let identity = NamespaceIdentity(device: 4, inode: 500, cookie: 501)
        bench.kernel.offer(.process(9), identity)
        let namespace = try await manager.create(Creation(.exactly(name), .existing(.process(9))))
        #expect(namespace.origin == .adopted && namespace.status?.identity == identity)
        let missing = Creation(.exactly(try NamespaceCoreTests.name("b")), .existing(.process(10)))
        #expect(await code { _ = try await manager.create(missing) } == .sourceNotFound)
        #expect(try bench.recordedNames() == ["a"])
    }

    @Test("what one request was told of is there for the next one too") func toldOnce() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        try await manager.start()
        let theirs = try name("theirs")
        bench.kernel.tellOnce(lookingFor: .milliseconds(100))
        bench.kernel.change(theirs, to: namespaceEntry(80))
        async let first = manager.list(limit: 10)
        while !bench.kernel.hasTold { try await Task.sleep(for: .milliseconds(1)) }
        #expect(try await manager.list(limit: 10).namespaces.map(\.name) == [theirs])
        #expect(try await first.namespaces.map(\.name) == [theirs])
    }

    private final class Tenant: NamespaceTenant {
        let lost = Mutex<[NamespaceName]>([])
        let whileLeaving: @Sendable (NamespaceName) -> Void

        init(whileLeaving: @escaping @Sendable (NamespaceName) -> Void = { _ in }) { self.whileLeaving = whileLeaving }

        func isIn(_: NamespaceName) -> Bool { true }
        func leave(_ name: NamespaceName, of _: NamespaceManager) async throws(NamespaceError) { whileLeaving(name) }
        func lose(_ name: NamespaceName) async { lost.withLock { $0.append(name) } }
    }

    @Test("a namespace that ours replaces, before the watcher has told of it, is told of as lost")
    func replaced() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let tenant = Tenant()
        await manager.admit(tenant)
        try await manager.start()
        let (made, adopted) = (try name("made"), try name("adopted"))
        _ = try await manager.create(made)
        bench.kernel.add(adopted, namespaceEntry(80))
        _ = try await manager.list(limit: 10)
        #expect(tenant.lost.withLock(\.self).isEmpty)

        var seen = manager.events.newest
        bench.kernel.remove(made)
        _ = try await manager.create(made)
        #expect(tenant.lost.withLock(\.self) == [made])
        #expect(await manager.nextEvents(2, after: seen) == ["vanished made", "created made"])

        seen = manager.events.newest
        bench.kernel.add(adopted, namespaceEntry(81))
        _ = try await manager.update(adopted, Patch())
        #expect(tenant.lost.withLock(\.self) == [made, adopted])
        #expect(await manager.nextEvents(2, after: seen) == ["vanished adopted", "adopted adopted"])

        // What the watcher says afterwards is known.
        let newest = manager.events.newest
        for name in [made, adopted] { bench.kernel.reportChange(of: name) }
        _ = try await manager.list(limit: 10)
        try await Task.sleep(for: .milliseconds(50))
        #expect(tenant.lost.withLock(\.self) == [made, adopted])
        #expect(manager.events.newest == newest)
    }

    @Test("what takes the place of a namespace while its tenants leave is not deleted for it")
    func replacedWhileLeaving() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let kernel = bench.kernel
        await manager.admit(Tenant { kernel.add($0, namespaceEntry(80)) })
        try await manager.start()
        let (meant, leased, any) = (try name("meant"), try name("leased"), try name("any"))
        let created = try await manager.create(meant)
        #expect(await code { try await manager.delete(meant, if: .tags([created.tag])) } == .notFound)
        #expect(kernel.entry(meant) == namespaceEntry(80))
        // The record was the other's.
        kernel.reportChange(of: meant)
        #expect(try await manager.namespace(meant).origin == .external)

        _ = try await manager.create(Creation(.exactly(leased), leaseSeconds: 5))
        bench.clock.advance(by: 6)
        for _ in 0..<1000 where kernel.entry(leased) != namespaceEntry(80) {
            try await Task.sleep(for: .milliseconds(5))
        }
        // Long enough for it to be deleted, if it were.
        try await Task.sleep(for: .milliseconds(50))
        #expect(kernel.entry(leased) == namespaceEntry(80))

        _ = try await manager.create(any)
        try await manager.delete(any)
        #expect(kernel.entry(any) == nil)
    }

    @Test("what others do is told, and what we do is told once") func events() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        try await manager.start()
        let (ours, theirs) = (try name("ours"), try name("theirs"))
        var seen = manager.events.newest
        _ = try await manager.create(ours)
        bench.kernel.reportChange(of: ours)
        bench.kernel.add(theirs, namespaceEntry(80))
        bench.kernel.reportChange(of: theirs)
        #expect(await manager.nextEvents(2, after: seen) == ["created ours", "appeared theirs"])

        // Deleted and made again under the same inode number: the cookie and the mount differ.
        seen = manager.events.newest
        bench.kernel.add(
            ours,
            .namespace(
                NamespaceStatus(
                    identity: NamespaceIdentity(device: 4, inode: 2, cookie: 90), isLoopbackUp: true, mountID: 90)))
        bench.kernel.reportChange(of: ours)
        #expect(await manager.nextEvents(2, after: seen) == ["vanished ours", "appeared ours"])
        #expect(try await manager.namespace(ours).origin == .external)
        #expect(try bench.recordedNames().isEmpty)

        seen = manager.events.newest
        bench.kernel.remove(theirs)
        bench.kernel.reportChange(of: theirs)
        #expect(await manager.nextEvents(1, after: seen) == ["vanished theirs"])
        await manager.stop()
    }

    @Test("our own record of an earlier namespace is not believed") func identity() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        _ = try await manager.create(Creation(.exactly(name), labels: try Labels(["team": "x"])))
        bench.kernel.add(name, namespaceEntry(99))
        #expect(try await manager.namespace(name).record == nil)
        var selector = Selector()
        selector.requirements = [.equals("team", "x")]
        #expect(try await manager.delete(selector).deleted.isEmpty)
        #expect(bench.kernel.entry(name) != nil)
    }

    @Test("a selector finds by label, state, origin and prefix, page by page") func selection() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        for index in 10..<30 {
            let labels = try Labels(["parity": index.isMultiple(of: 2) ? "even" : "odd"])
            _ = try await manager.create(Creation(.exactly(try name("n\(index)")), labels: labels))
        }
        bench.kernel.add(try name("stale"), .stale)
        bench.kernel.add(try name("theirs"), namespaceEntry(80))
        func find(_ change: (inout Selector) -> Void) async throws -> [String] {
            var selector = Selector()
            change(&selector)
            let page = try await manager.list(selector, limit: 1000)
            #expect(page.total == page.namespaces.count)
            return page.namespaces.map(\.name.description)
        }
        #expect(try await find { $0.requirements = [.equals("parity", "even")] }.count == 10)
        #expect(try await find { $0.requirements = [.differs("parity", "even")] }.count == 12)
        #expect(try await find { $0.requirements = [.exists("parity"), .differs("parity", "odd")] }.count == 10)
        #expect(try await find { $0.state = .stale } == ["stale"])
        #expect(try await find { $0.origin = .external } == ["stale", "theirs"])
        #expect(try await find { $0.prefix = Array("n1".utf8) }.count == 10)
        #expect(try await find { $0.prefix = Array("t".utf8) } == ["theirs"])
        #expect(try await find { $0.prefix = [0xff] }.isEmpty)
        var odd = Selector()
        odd.requirements = [.equals("parity", "odd")]
        let page = try await manager.list(odd, limit: 3, after: try name("n13"))
        #expect(page.namespaces.map(\.name.description) == ["n15", "n17", "n19"])
        #expect(page.total == 10 && page.next == page.namespaces.last?.name)
        #expect(try await manager.delete(odd, dryRun: true).deleted.count == 10)
        #expect(try await manager.delete(odd).deleted.count == 10)
        #expect(try await manager.prune().deleted.map(\.description) == ["stale"])
        #expect(try await manager.list(limit: 1).total == 11)
    }
}
