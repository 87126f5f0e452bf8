import Dispatch
import Synchronization
import SystemPackage
import Testing

@testable import LinuxKit

@Suite("Whom namespaces are made in advance for", .tags(.kernel), .serialized, .timeLimit(.minutes(2)))
struct WarmPoolDemandTests {
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
}
