import Testing

@testable import NamespaceCore

@Suite("Authority")
struct AuthorityTests {
    private func operatorNamed(_ name: String, or grant: [Selector.Requirement]? = nil) -> Authority {
        Authority(owner: Owner(principal: name), reach: .own(or: grant))
    }

    @Test("What has no labels is reached by no grant, also not by one that asks for a label to be missing")
    func grants() throws {
        let requirement = try #require(Selector.Requirement("stage!=live"))
        let name = try #require(NamespaceName(bytes: Array("x".utf8)))
        let external = Namespace(name: name, path: "/x", status: nil, record: nil, expiresAt: nil)
        for action in Authority.Action.allCases {
            #expect(throws: NamespaceError.self) {
                try operatorNamed("a", or: [requirement]).check(action, on: external)
            }
        }
    }

    @Test("Whose a namespace is counts when the deletion's turn comes, not when it is asked for")
    func turns() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        try await manager.start()
        let name = try #require(NamespaceName(bytes: Array("x".utf8)))
        let (first, second) = (operatorNamed("first"), operatorNamed("second"))
        _ = try await manager.create(Creation(.exactly(name), by: first))
        await manager.take(name)
        // It waits for its turn, and by then the name is somebody else's.
        let deletion = Task { try await manager.delete(name, by: first) }
        try await Task.sleep(for: .milliseconds(50))
        _ = try await manager.remove(name)
        let made = try await manager.make(name, Creation(.exactly(name), by: second))
        _ = await manager.register(made)
        await manager.release(name)
        await #expect(throws: NamespaceError.self) { try await deletion.value }
        #expect(try await manager.namespace(name).record?.createdBy?.principal == "second")
        await manager.stop()
    }
}
