import Foundation
import Synchronization
import SystemPackage
import Testing

@testable import LinuxKit

@Suite("Namespaces made in advance", .tags(.kernel), .serialized, .timeLimit(.minutes(2)))
struct WarmPoolTests {
    @Test("one cannot be told from a fresh one", arguments: [true, false])
    func indistinguishable(up: Bool) async throws {
        try await withPool { bench in
            try await bench.fill(up: up)
            let before = bench.pool.facts
            let warm = try await bench.create("warm", up: up)
            #expect(bench.pool.facts.hits == before.hits + 1)
            let fresh = try await bench.create("fresh", up: up, warm: false)
            #expect(bench.pool.facts.hits == before.hits + 1)
            #expect(warm.isLoopbackUp == up && fresh.isLoopbackUp == up)
            #expect(warm.identity.inode != fresh.identity.inode)
            #expect(warm.identity.cookie != fresh.identity.cookie)

            let (first, second) = (try await bench.settings(of: "warm"), try await bench.settings(of: "fresh"))
            #expect(first.count > 300)
            #expect(first == second, "\(first.filter { second[$0.key] != $0.value })")
            for command in [
                "ip -d link", "ip -d address", "ip -4 route show table all", "ip -6 route show table all", "ip rule",
                "ip -6 rule", "ip neighbour", "ip netconf", "ip xfrm policy", "ip maddress",
                "cat /proc/net/dev /proc/net/protocols /proc/net/snmp /proc/net/snmp6 /proc/net/netstat",
                "cat /proc/net/ip_tables_names /proc/net/ip6_tables_names /proc/net/arp_tables_names",
                "grep -r '' /proc/net/netfilter", "iptables-save", "ip6tables-save",
            ] {
                let (first, second) = (try bench.run(command, in: "warm"), try bench.run(command, in: "fresh"))
                #expect(first == second, "\(command)")
            }
        }
    }

    @Test("it is what its name shows, and the pool holds on to nothing")
    func identity() async throws {
        try await withPool { bench in
            try await bench.fill(up: true)
            let status = try await bench.create("a", up: true)
            #expect(try await bench.inspect("a") == .namespace(status))
            // While it is there, no other has its number.
            #expect(try !bench.heldNamespaces().contains(status.identity.inode))
            #expect(try bench.scratch.namespaces.remove(Array("a".utf8)))
            #expect(try bench.heldNamespaces().count <= 2)
            bench.pool.close()
            try await bench.settle(at: 0)
        }
    }

    @Test("the pool turns to the kind that is asked for, and raises one that is not up")
    func kinds() async throws {
        try await withPool { bench in
            // What a new one will be asked for is unknown.
            try await bench.settle(at: bench.pool.facts.capacity)
            #expect(!bench.pool.isAllOfKind(up: true) && !bench.pool.isAllOfKind(up: false))
            try await bench.fill(up: true)
            // A worker may have the lock for a moment.
            for _ in 0..<1000 where !bench.pool.isReady(up: true) { try await Task.sleep(for: .milliseconds(1)) }
            #expect(bench.pool.isReady(up: true) && !bench.pool.isReady(up: false))
            let before = bench.pool.facts
            #expect(try await bench.create("cold", up: false).isLoopbackUp == false)
            #expect(bench.pool.facts.hits == before.hits)
            #expect(bench.pool.facts.misses == before.misses + 1)
            try await bench.fill(up: false)
            let hits = bench.pool.facts.hits
            #expect(try await bench.create("down", up: false).isLoopbackUp == false)
            #expect(bench.pool.facts.hits == hits + 1)
            try await bench.fill(up: false)
            let raised = try await bench.create("raised", up: true)
            #expect(raised.isLoopbackUp)
            #expect(try await bench.inspect("raised") == .namespace(raised))
            #expect(bench.pool.facts.hits > hits + 1)
        }
    }

    @Test(
        "an inherited setting that changes empties the pool, and one that is only written again does not",
        arguments: [
            "ipv4/neigh/default/proxy_qlen", "ipv4/conf/default/igmpv3_unsolicited_report_interval",
            "ipv6/neigh/default/proxy_qlen", "ipv4/conf/all/igmpv2_unsolicited_report_interval",
            "ipv4/udp_child_hash_entries",
        ])
    func changedSetting(name: String) async throws {
        try await withPool { bench in
            try await bench.fill(up: true)
            let path = "/proc/sys/net/" + name
            let value = try read(path)
            try write(value, to: path)
            let hits = bench.pool.facts.hits
            _ = try await bench.create("same", up: true)
            #expect(bench.pool.facts.hits == hits + 1)
            try await bench.fill(up: true)

            let number = try #require(Int(value))
            let before = bench.pool.facts
            try write("\(number == 0 ? 128 : number + 1)", to: path)
            defer { try? write(value, to: path) }
            _ = try await bench.create("changed", up: true)
            #expect(bench.pool.facts.hits == before.hits)
            #expect(bench.pool.facts.dropped(.settings) > before.dropped(.settings))
            _ = try await bench.create("fresh", up: true, warm: false)
            let (first, second) = (try await bench.settings(of: "changed"), try await bench.settings(of: "fresh"))
            #expect(first == second)
        }
    }

    @Test("a change that was not noticed when it happened is found when the settings are read again")
    func reread() throws {
        guard var settings = try InheritedSettings() else {
            Issue.record("the test is not in the first network namespace")
            return
        }
        // A procfs of one's own, as a container has: what is written there is told to nobody.
        let other = "/tmp/netnsd-proc-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: other) }
        try #require(mount("proc", other, "proc", 0, nil) == 0)
        defer { umount2(other, Int32(MNT_DETACH)) }
        let path = other + "/sys/net/ipv6/neigh/default/proxy_qlen"
        let value = try read(path)
        let number = try #require(Int(value))
        let before = settings.writes
        try write("\(number + 1)", to: path)
        defer { try? write(value, to: path) }
        let isNoticed = settings.haveChanged()
        let isFound = settings.reread()
        let isFoundAgain = settings.reread()
        let writes = settings.writes
        #expect(!isNoticed && isFound && !isFoundAgain)
        #expect(writes == before + 1)
    }

    @Test("a setting that is written and written back is no change, and yet what was made meanwhile is not to be had")
    func writtenBack() throws {
        guard var settings = try InheritedSettings() else {
            Issue.record("the test is not in the first network namespace")
            return
        }
        let path = "/proc/sys/net/ipv6/neigh/default/proxy_qlen"
        let value = try read(path)
        let number = try #require(Int(value))
        let before = settings.writes
        try write("\(number + 1)", to: path)
        try write(value, to: path)
        let isChanged = settings.haveChanged()
        // Whoever asks next, another thread maybe, learns it from the count alone.
        let isChangedStill = settings.haveChanged()
        let writes = settings.writes
        #expect(!isChanged && !isChangedStill)
        #expect(writes > before)
    }

    @Test("the pool is smaller while memory is short, keeps what it was asked for most, and grows again")
    func shortMemory() async throws {
        let available = Mutex<UInt64?>(nil)
        let pool = {
            try WarmPool(
                capacity: 4, availableMemory: { available.withLock { $0 } }, checkInterval: .milliseconds(50))
        }
        try await withPool(pool) { bench in
            try await bench.fill(up: true)
            #expect(bench.pool.facts.size == 4)
            // A quarter of a mebibyte is for a namespace, and a sixteenth of what is over for all.
            available.withLock { $0 = (64 + 2 * 4) << 20 }
            try await bench.settle(at: 2)
            #expect(bench.pool.facts.dropped(.memory) == 2)
            #expect(bench.pool.isAllOfKind(up: true))
            let hits = bench.pool.facts.hits
            #expect(try await bench.create("hit", up: true).isLoopbackUp)
            #expect(bench.pool.facts.hits == hits + 1)
            available.withLock { $0 = 1 << 20 }
            try await bench.settle(at: 0)
            let misses = bench.pool.facts.misses
            #expect(try await bench.create("miss", up: true).isLoopbackUp)
            #expect(bench.pool.facts.misses == misses + 1)
            available.withLock { $0 = nil }
            try await bench.settle(at: 4)
        }
    }

    @Test("a pool that is made while memory is short begins small")
    func shortFromTheBegin() throws {
        #expect(try WarmPool(capacity: 4, availableMemory: { 1 << 20 }).facts.capacity == 0)
        #expect(try WarmPool(capacity: 4, availableMemory: { nil }).facts.capacity == 4)
        #expect(try WarmPool(capacity: 4, availableMemory: { .max }).facts.capacity == 4)
    }

    @Test("what the host has left is known, and less than all")
    func memory() throws {
        let available = try #require(HostMemory.available())
        #expect(available > 1 << 20)
        #expect(available < UInt64(sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))))
    }

    @Test("workers that fill a pool are home afterwards, and a closed pool stays empty")
    func home() async throws {
        try await withPool { bench in
            let home = try FileSystem.readLink("/proc/thread-self/ns/net")
            for index in 0..<50 { _ = try await bench.create("n\(index)", up: index % 3 == 0) }
            for _ in 0..<10 {
                let here = try await bench.workers.run { (_) throws(SystemError) in
                    try FileSystem.readLink("/proc/thread-self/ns/net")
                }
                #expect(here == home)
            }
            #expect(bench.workers.threadCount == 2)
            bench.pool.close()
            try await bench.settle(at: 0)
            try await Task.sleep(for: .milliseconds(30))
            #expect(try bench.heldNamespaces().isEmpty)
        }
    }

    private func read(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func write(_ value: String, to path: String) throws {
        let file = try FileDescriptor.open(FilePath(path), .writeOnly)
        try file.closeAfter { _ = try file.writeAll(value.utf8) }
    }
}
