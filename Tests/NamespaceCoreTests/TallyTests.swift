import LinuxKit
import SystemPackage
import Testing

@testable import NamespaceCore

@Suite("Counting") struct TallyTests {
    private func failure(_ errno: Int32) -> NamespaceError {
        NamespaceError(SystemError(.unshare, errno: Errno(rawValue: errno)))
    }

    private func counts(_ tally: Tally) -> [String: UInt64] {
        let pairs = tally.failures.map { ("\($0.operation.rawValue) \($0.errno?.rawValue ?? 0)", $0.count) }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    @Test("failures are told by what was done and errno, and what never failed is not told of") func failures() {
        let tally = Tally()
        #expect(tally.failures.isEmpty)
        for _ in 0..<3 { tally.failed(.create, failure(28)) }
        tally.failed(.create, failure(12))
        tally.failed(.expire, failure(28))
        tally.failed(.delete, NamespaceError(.inUse, "Processes are inside."))
        #expect(counts(tally) == ["create 28": 3, "create 12": 1, "expire 28": 1, "delete 0": 1])
    }

    @Test("the last errno that Linux has is counted, and what is none is counted as no errno") func edges() {
        let tally = Tally()
        for errno: Int32 in [1, 133, 134, 512, -1, .min, .max] { tally.failed(.probe, failure(errno)) }
        #expect(counts(tally) == ["probe 1": 1, "probe 133": 1, "probe 0": 5])
    }

    @Test("no failure is lost when many are counted at once") func concurrent() async {
        let tally = Tally()
        await withTaskGroup(of: Void.self) { group in
            for operation in Tally.Operation.allCases {
                for errno: Int32 in 1...4 {
                    group.addTask { for _ in 0..<1000 { tally.failed(operation, failure(errno % 2 + 1)) } }
                }
            }
        }
        #expect(tally.failures.count == 2 * Tally.Operation.allCases.count)
        #expect(tally.failures.allSatisfy { $0.count == 2000 })
    }

    @Test("the census tells namespaces by origin, and follows what becomes of them") func census() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        #expect(await manager.census() == Census())
        let (made, leased, adopted) = (try name("made"), try name("leased"), try name("adopted"))
        let source = NamespaceSource.process(9)
        bench.kernel.offer(source, NamespaceIdentity(device: 4, inode: 900, cookie: 900))
        bench.kernel.add(try name("theirs"), namespaceEntry(500))
        bench.kernel.add(try name("left"), .stale)
        _ = try await manager.create(made)
        _ = try await manager.create(Creation(.exactly(leased), leaseSeconds: 10))
        _ = try await manager.create(Creation(.exactly(adopted), .existing(source), leaseSeconds: 20))
        _ = try await manager.list(limit: 10)
        var expected = Census()
        (expected.created, expected.adopted, expected.external, expected.stale, expected.leases) = (2, 1, 1, 1, 2)
        #expect(await manager.census() == expected)

        _ = try await manager.update(adopted, Patch(lease: .pin))
        expected.leases = 1
        #expect(await manager.census() == expected)

        bench.clock.advance(by: 10)
        #expect(await manager.isSoonGone(leased))
        (expected.created, expected.leases) = (1, 0)
        #expect(await manager.census() == expected)

        try await manager.delete(made)
        bench.kernel.remove(try name("theirs"))
        bench.kernel.add(try name("left"), namespaceEntry(501))
        _ = try await manager.list(limit: 10)
        (expected.created, expected.stale) = (0, 0)
        #expect(await manager.census() == expected)
    }
}
