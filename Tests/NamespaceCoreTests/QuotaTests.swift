import LinuxKit
import SystemPackage
import Testing

@testable import NamespaceCore

@Suite("Quotas") struct QuotaTests {
    private func create(
        _ manager: NamespaceManager, within quota: Int, user: UInt32 = 7
    ) async -> Result<Namespace, NamespaceError>? {
        let owner = Owner(principal: "uid:\(user)", user: user, process: 1)
        let creation = Creation(.generated(prefix: "a"), by: Authority(owner: owner, reach: .own(or: nil)))
        var unneeded = 0
        defer { #expect(unneeded == 0) }
        do throws(NamespaceError) {
            let made = try await manager.withRoom(for: 1, of: owner.principal, within: quota) {
                (manager, room) async throws(NamespaceError) in try await manager.create(creation.within(room))
            }
            guard let made else { return nil }
            unneeded = made.unneeded
            return .success(made.value)
        } catch {
            return .failure(error)
        }
    }

    @Test("of many at once as many are made as there is room for, and failures give theirs back") func exact()
        async throws
    {
        let bench = try Bench()
        let manager = try bench.manager()
        bench.kernel.fail(SystemError(.unshare, errno: .noMemory), SystemError(.unshare, errno: .noMemory))
        for _ in 1...2 {
            _ = await withTaskGroup(of: Void.self) { group in
                for _ in 0..<50 { group.addTask { _ = await create(manager, within: 10) } }
            }
            // A failure to set the directory up is that of all who wait for it.
            let count = await manager.namespaceCount(of: "uid:7")
            #expect(count <= 10)
        }
        while await create(manager, within: 10) != nil {}
        #expect(await manager.namespaceCount(of: "uid:7") == 10)
        #expect(await create(manager, within: 10) == nil)
        #expect(await create(manager, within: 10, user: 8) != nil)
        #expect(await manager.reservations.count(of: "uid:7") == 0)
    }

    @Test("what is deleted, and what was reserved and not made, makes room") func room() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let made = try #require(await create(manager, within: 1)).get()
        #expect(await manager.reserve(1, for: "uid:7", within: 1) == nil)
        try await manager.delete(made.name)
        let held = try #require(await manager.reserve(1, for: "uid:7", within: 1))
        #expect(await manager.reserve(1, for: "uid:7", within: 1) == nil)
        #expect(await manager.release(held) == 1)
        #expect(await manager.release(held) == 0)
        #expect(await manager.reserve(2, for: "uid:7", within: 1) == nil)
        #expect(await manager.reserve(1, for: "uid:7", within: 1) != nil)
    }
}
