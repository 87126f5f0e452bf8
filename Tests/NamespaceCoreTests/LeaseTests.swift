import LinuxKit
import SystemPackage
import Testing

@testable import NamespaceCore

@Suite("Leases") struct LeaseTests {
    private func leased(_ name: NamespaceName, _ seconds: Int64) -> Creation {
        Creation(.exactly(name), leaseSeconds: seconds)
    }

    @Test("a namespace is deleted when its lease ends, and not before") func expires() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let (short, long) = (try name("short"), try name("long"))
        _ = try await manager.create(leased(long, 100))
        _ = try await manager.create(leased(short, 10))
        let start = manager.events.newest
        bench.clock.advance(by: 9)
        try await Task.sleep(for: .milliseconds(30))
        #expect(try await manager.namespace(short).state == .ready)
        bench.clock.advance(by: 1)
        #expect(await manager.isSoonGone(short))
        #expect(try await manager.namespace(long).state == .ready)
        #expect(manager.history(after: start) == ["expired short"])
        #expect(try bench.recordedNames() == ["long"])
        bench.clock.advance(by: 90)
        #expect(await manager.isSoonGone(long))
    }

    @Test("renewing starts the lease anew, pinning ends it, and both change the tag") func renewAndPin() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        let created = try await manager.create(leased(name, 10))
        bench.clock.advance(by: 8)
        let renewed = try await manager.renew(name)
        #expect(renewed.tag != created.tag)
        #expect(renewed.expiresAt.map { $0.milliseconds - bench.clock.now.milliseconds } == 10_000)
        bench.clock.advance(by: 8)
        try await Task.sleep(for: .milliseconds(30))
        let pinned = try await manager.update(name, Patch(lease: .pin))
        #expect(pinned.record?.lease == nil && pinned.tag != renewed.tag)
        bench.clock.advance(by: 100)
        try await Task.sleep(for: .milliseconds(30))
        #expect(try await manager.namespace(name).state == .ready)
        #expect(await code { _ = try await manager.renew(name) } == .noLease)
    }

    @Test("a wall clock that is set, or a suspended host, ends no lease") func steppedClock() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        _ = try await manager.create(leased(name, 10))
        bench.clock.setWallClock(forward: 1_000_000)
        try await Task.sleep(for: .milliseconds(30))
        let namespace = try await manager.namespace(name)
        #expect(namespace.expiresAt.map { $0.milliseconds - bench.clock.now.milliseconds } == 10_000)
    }

    @Test("after a restart the remaining time counts from the record") func restart() async throws {
        let bench = try Bench()
        let (kept, ended) = (try name("kept"), try name("ended"))
        let first = try bench.manager()
        _ = try await first.create(leased(kept, 20))
        _ = try await first.create(leased(ended, 5))
        await first.stop()
        bench.clock.advance(by: 10)
        let second = try bench.manager()
        #expect(try await second.start().leases == 2)
        #expect(await second.isSoonGone(ended))
        #expect(try await second.namespace(kept).record?.lease?.seconds == 20)
        bench.clock.advance(by: 10)
        #expect(await second.isSoonGone(kept))
    }

    @Test("a lease does not end another tool's namespace of the same name") func replaced() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        _ = try await manager.create(leased(name, 10))
        let other = NamespaceIdentity(device: 4, inode: 4, cookie: 99)
        bench.kernel.add(name, .namespace(NamespaceStatus(identity: other, isLoopbackUp: true, mountID: 7)))
        bench.clock.advance(by: 10)
        try await Task.sleep(for: .milliseconds(100))
        #expect(try await manager.namespace(name).origin == .external)
        #expect(try bench.recordedNames().isEmpty)
    }

    @Test("a lease whose namespace cannot be deleted is tried again") func failedExpiry() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        _ = try await manager.create(leased(name, 10))
        bench.kernel.fail(SystemError(.unlink, "/fake/a", errno: .ioError))
        bench.clock.advance(by: 10)
        try await Task.sleep(for: .milliseconds(50))
        #expect(try await manager.namespace(name).state == .ready)
        bench.clock.advance(by: 1)
        #expect(await manager.isSoonGone(name))
    }

    @Test("a lease that is renewed for ever takes no more memory for it") func renewedForEver() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let (name, other) = (try name("a"), try name("b"))
        _ = try await manager.create(leased(name, 10))
        _ = try await manager.create(leased(other, 20))
        for _ in 0..<3000 { _ = try await manager.renew(name) }
        #expect(await manager.leases.count < 1100)
        bench.clock.advance(by: 10)
        #expect(await manager.isSoonGone(name))
        bench.clock.advance(by: 10)
        #expect(await manager.isSoonGone(other))
    }
}
