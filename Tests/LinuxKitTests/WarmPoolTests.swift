import Dispatch
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

    @Test("a create waits for one of its kind that is being made, and not for long")
    func patience() throws {
        let pool = try WarmPool(capacity: 1)
        defer { pool.close() }
        pool.state.withLock { $0.making = true }
        let start = ContinuousClock.now
        #expect(pool.take(up: false) == nil)
        #expect(pool.take(up: true) == nil)
        #expect(ContinuousClock.now - start >= .microseconds(700))
        #expect(pool.state.withLock { $0.waiting == nil })
        #expect(pool.facts.misses == 2)
    }

    @Test("a create does not wait while there is something else for its thread to do, nor where another one waits")
    func impatience() throws {
        let pool = try WarmPool(capacity: 1)
        defer { pool.close() }
        let hasQueue = Mutex(true)
        pool.attach(call: {}, hasQueue: { hasQueue.withLock(\.self) })
        pool.state.withLock { $0.making = true }
        #expect(Self.leastTime(ofTakingFrom: pool) < .microseconds(700))
        hasQueue.withLock { $0 = false }
        #expect(Self.leastTime(ofTakingFrom: pool) >= .microseconds(700))
        #expect(Self.leastTime(ofTakingFrom: pool, up: false) < .microseconds(700), "of the other kind")
        let waiting = WaitingCreate()
        pool.state.withLock { $0.waiting = waiting }
        #expect(Self.leastTime(ofTakingFrom: pool) < .microseconds(700))
        #expect(!waiting.isOver(within: .microseconds(0)))
        pool.jobIsWaiting()
        #expect(waiting.isOver(within: .microseconds(0)) && waiting.take() == nil)
        #expect(pool.state.withLock { $0.waiting == nil })
    }

    /// The least of several: this thread may be kept from the processor at any time.
    private static func leastTime(ofTakingFrom pool: WarmPool, up: Bool = true) -> Duration {
        let clock = ContinuousClock()
        return (0..<20).map { _ in clock.measure { #expect(pool.take(up: up) == nil) } }.min() ?? .zero
    }

    @Test("the latest creates, as many as the pool holds, say of which kind it has how many")
    func demand() {
        var demand = Demand(count: 4)
        #expect(demand.up(of: 4) == 2 && demand.latest == true)
        for _ in 0..<3 { demand.note(up: false) }
        #expect(demand.up(of: 4) == 1 && demand.latest == false)
        #expect(demand.up(of: 2) == 1, "half of one is one")
        demand.note(up: false)
        #expect(demand.up(of: 4) == 0)
        for _ in 0..<9 { demand.note(up: true) }
        #expect(demand.up(of: 4) == 4 && demand.latest == true)
        #expect(Demand(count: 0).isEmpty && Demand(count: 0).up(of: 4) == 0 && Demand(count: 0).latest == nil)
    }

    @Test("a burst that finds none of its kind has the next one made, whatever there is of the other kind")
    func burst() async throws {
        let calls = Mutex(0)
        let pool = try WarmPool(capacity: 4)
        defer { pool.close() }
        pool.attach(call: { calls.withLock { $0 += 1 } }, hasQueue: { false })
        let workers = try KernelWorkers(count: 1)
        // A new pool has more important things to do.
        try await Task.sleep(for: .milliseconds(60))
        while pool.facts.size < 4 {
            try await workers.run { (thread) throws(SystemError) in pool.perform(on: &thread) }
        }
        await workers.stop()
        let count = pool.state.withLock { $0.down.count }
        try #require(count < 4)
        for _ in 0..<count { #expect(pool.take(up: false) != nil) }
        #expect(calls.withLock(\.self) == 1, "the last one of its kind is gone")
        // However slow the machine is.
        pool.state.withLock { $0.askedAt = .now + .seconds(1) }
        #expect(pool.take(up: false) == nil)
        #expect(calls.withLock(\.self) == 2, "and one was asked for in vain, a moment later")
        pool.state.withLock { $0.askedAt = .now + .seconds(1) }
        #expect(pool.isPressing)
        pool.state.withLock { $0.askedAt = .now - .seconds(1) }
        #expect(pool.take(up: false) == nil)
        #expect(calls.withLock(\.self) == 2, "a single one is no burst")
    }

    @Test("a pool without room has nobody called, and a burst has none made that are of no use to it")
    func shortage() async throws {
        let calls = Mutex(0)
        let small = try WarmPool(capacity: 4, availableMemory: { 0 })
        defer { small.close() }
        small.attach(call: { calls.withLock { $0 += 1 } }, hasQueue: { false })
        for up in [true, false] {
            small.state.withLock { state in
                state.restsUntil = .now
                state.askedAt = .now + .seconds(1)
            }
            #expect(small.take(up: up) == nil)
            #expect(!small.isPressing)
        }
        #expect(calls.withLock(\.self) == 0)

        let pool = try WarmPool(capacity: 4)
        defer { pool.close() }
        // Three of four are to be up; the fourth is what is asked for now.
        for up in [true, true, true, false] { #expect(pool.take(up: up) == nil) }
        pool.state.withLock { $0.restsUntil = .now }
        #expect(pool.state.withLock { $0.isShort })
        let workers = try KernelWorkers(count: 1)
        try await workers.run { (thread) throws(SystemError) in pool.perform(on: &thread) }
        await workers.stop()
        #expect(pool.state.withLock { $0.down.count == 1 && $0.up.isEmpty })
        #expect(pool.state.withLock { !$0.isShort })
    }

    @Test("whoever waits gets the one that has been made")
    func made() async throws {
        let pool = try WarmPool(capacity: 1)
        defer { pool.close() }
        let workers = try KernelWorkers(count: 1)
        // A new pool has more important things to do.
        try await Task.sleep(for: .milliseconds(60))
        let waiting = WaitingCreate()
        pool.state.withLock { $0.waiting = waiting }
        try await workers.run { (thread) throws(SystemError) in pool.perform(on: &thread) }
        #expect(waiting.isOver(within: .microseconds(0)))
        #expect(waiting.take() != nil)
        #expect(pool.facts.size == 0)
        #expect(pool.state.withLock { $0.waiting == nil })
        try await workers.run { (thread) throws(SystemError) in pool.perform(on: &thread) }
        await workers.stop()
        #expect(pool.take(up: true) != nil)
    }

    @Test(
        "called for, a thread prepares on a processor that the jobs keep off until it is done, and otherwise on any",
        arguments: [true, false])
    func called(isUrgent: Bool) async throws {
        let preparation = SlowPreparation(isUrgent: isUrgent)
        let workers = try KernelWorkers(count: 2, preparation: preparation)
        // Only a thread that has begun can be kept off anything: both have once each has met the other.
        let (one, other) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        async let met: Void = workers.run { (_) throws(SystemError) in
            one.signal()
            other.wait()
        }
        try await workers.run { (_) throws(SystemError) in
            other.signal()
            one.wait()
        }
        try await met
        // The first job tells whose processor to keep off.
        let all = try await processors(of: workers)
        try #require(all.count > 1)
        let call = preparation.call.withLock { $0 }
        try #require(call != nil)
        while !preparation.hasBegun.withLock({ $0 }) {
            // A thread that does not sleep yet does not hear it.
            if isUrgent { call?() }
            try await Task.sleep(for: .milliseconds(1))
        }
        let others = try await processors(of: workers)
        #expect(others.count == all.count - (isUrgent ? 1 : 0))
        #expect(others.isSubset(of: all))
        preparation.isDone.withLock { $0 = true }
        var restored = others
        while restored != all {
            try await Task.sleep(for: .milliseconds(1))
            restored = try await processors(of: workers)
        }
        await workers.stop()
    }

    @Test("what prepares is told of a job that takes its time and has found no thread, and of no other")
    func told() async throws {
        let preparation = SlowPreparation(isUrgent: true)
        let workers = try KernelWorkers(count: 1, preparation: preparation)
        let end = DispatchSemaphore(value: 0)
        async let busy: Void = workers.run(as: .lengthy) { (_) throws(SystemError) in end.wait() }
        for _ in 0..<1000 where workers.runningJobs < 1 { try await Task.sleep(for: .milliseconds(1)) }
        // A thread that has only just been started is not free either, and who has submitted the job may still tell.
        try await Task.sleep(for: .milliseconds(20))
        preparation.waits.withLock { $0 = 0 }
        async let look: Void = workers.run(as: .interactive) { (_) throws(SystemError) in }
        for _ in 0..<1000 where workers.queuedJobs < 1 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(preparation.waits.withLock(\.self) == 0)
        async let create: Void = workers.run(as: .lengthy) { (_) throws(SystemError) in }
        for _ in 0..<1000 where preparation.waits.withLock({ $0 < 1 }) { try await Task.sleep(for: .milliseconds(1)) }
        #expect(preparation.waits.withLock(\.self) == 1)
        end.signal()
        try await busy
        try await look
        try await create
        await workers.stop()
        #expect(preparation.waits.withLock(\.self) == 1)
    }

    /// The processors that a job may have.
    private func processors(of workers: KernelWorkers) async throws -> Set<Int> {
        let status = try await workers.run { (_) throws(SystemError) in try FileSystem.read("/proc/thread-self/status")
        }
        let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix("Cpus_allowed_list:") })
        let ranges = line.split(separator: "\t")[1].split(separator: ",").map { range in
            let bounds = range.split(separator: "-").compactMap { Int($0) }
            return Array(bounds[0]...bounds[bounds.count - 1])
        }
        return Set(ranges.flatMap { $0 })
    }

    private func read(_ path: String) throws -> String {
        try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func write(_ value: String, to path: String) throws {
        let file = try FileDescriptor.open(FilePath(path), .writeOnly)
        try file.closeAfter { _ = try file.writeAll(value.utf8) }
    }
}
