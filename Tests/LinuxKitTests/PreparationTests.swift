import CLinux
import Dispatch
import Synchronization
import SystemPackage
import Testing

@testable import LinuxKit

@Suite("Work that is done in advance", .tags(.kernel), .serialized, .timeLimit(.minutes(2)))
struct PreparationTests {
    @Test(
        "called for, a thread prepares on a processor that the jobs keep off until it is done, and otherwise on any",
        arguments: [true, false])
    func called(isUrgent: Bool) async throws {
        let preparation = SlowPreparation(isUrgent: isUrgent)
        let interludes = Mutex<[[UInt8]]>([])
        let interlude = Notes {
            let status = (try? FileSystem.read("/proc/thread-self/status")) ?? []
            interludes.withLock { $0.append(status) }
        }
        let workers = try KernelWorkers(count: 2, preparation: preparation, interlude: interlude)
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
        // Its answer may have a thread started, which has the processors of the one that gives it.
        let worker = try await workers.run { (_) throws(SystemError) in clinux_thread_id() }
        #expect(try processors(in: FileSystem.read(FilePath("/proc/self/task/\(worker)/status"))) == all)
        // What it sees to after that may as well.
        let latest = interludes.withLock { $0.count }
        for _ in 0..<1000 where interlude.performed.withLock({ $0 }) < interlude.ended.withLock({ $0.count }) {
            try await Task.sleep(for: .milliseconds(1))
        }
        for status in interludes.withLock({ $0.suffix(max(1, $0.count - latest)) }) {
            #expect(try processors(in: status) == all)
        }
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
        try processors(
            in: await workers.run { (_) throws(SystemError) in try FileSystem.read("/proc/thread-self/status") })
    }

    private func processors(in status: [UInt8]) throws -> Set<Int> {
        let lines = String(decoding: status, as: UTF8.self).split(separator: "\n")
        let line = try #require(lines.first { $0.hasPrefix("Cpus_allowed_list:") })
        let ranges = line.split(separator: "\t")[1].split(separator: ",").map { range in
            let bounds = range.split(separator: "-").compactMap { Int($0) }
            return Array(bounds[0]...bounds[bounds.count - 1])
        }
        return Set(ranges.flatMap { $0 })
    }
}
