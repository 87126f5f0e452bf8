import Dispatch
import Synchronization
import Testing

@testable import LinuxKit

@Suite("The order of jobs") struct JobQueueTests {
    private func drain(_ queue: inout JobQueue<Int>) -> [Int] {
        var jobs: [Int] = []
        while let job = queue.popFirst() { jobs.append(job) }
        return jobs
    }

    @Test("What is done soonest goes first, what nobody waits for alone last, each kind in its order") func order() {
        var queue = JobQueue<Int>()
        for job in 0..<4 { queue.append(job, .batch) }
        for job in 10..<14 { queue.append(job, .lengthy) }
        for job in 20..<24 { queue.append(job, .interactive) }
        #expect(queue.count == 12)
        #expect(drain(&queue) == [20, 21, 22, 23, 10, 11, 12, 13, 0, 1, 2, 3])
        #expect(queue.isEmpty)
    }

    @Test("The first of each kind is overtaken by sixteen others, and by those who were kept as long")
    func fairness() {
        var queue = JobQueue<Int>()
        for job in [-1, -2] { queue.append(job, .batch) }
        for job in [-3, -4] { queue.append(job, .lengthy) }
        for job in 0..<60 { queue.append(job, .interactive) }
        let jobs = drain(&queue)
        #expect([-1, -3, -2, -4].map { jobs.firstIndex(of: $0) } == [16, 17, 33, 35])
        #expect(jobs.filter { $0 >= 0 } == Array(0..<60))
    }

    /// What ran, in order, while the first waited.
    private final class Course: Sendable {
        let gate = DispatchSemaphore(value: 0)
        private let names = Mutex<[String]>([])

        func note(_ name: String) {
            if name == "first" { gate.wait() }
            names.withLock { $0.append(name) }
        }

        var order: [String] { names.withLock { $0 } }
    }

    @Test("A worker takes what takes longer after the others that wait") func workers() async throws {
        let workers = try KernelWorkers(count: 1)
        let course = Course()
        func start(_ name: String, _ priority: JobPriority) -> Task<Void, any Error> {
            Task {
                try await KernelWorkers.$priority.withValue(priority) {
                    try await workers.run { (_) throws(SystemError) in course.note(name) }
                }
            }
        }
        var tasks = [start("first", .interactive)]
        while workers.jobsBegun < 1 { try await Task.sleep(for: .milliseconds(1)) }
        tasks.append(start("batch", .batch))
        while workers.queuedJobs < 1 { try await Task.sleep(for: .milliseconds(1)) }
        tasks.append(start("create", .lengthy))
        while workers.queuedJobs < 2 { try await Task.sleep(for: .milliseconds(1)) }
        tasks.append(start("look", .interactive))
        while workers.queuedJobs < 3 { try await Task.sleep(for: .milliseconds(1)) }
        course.gate.signal()
        for task in tasks { try await task.value }
        #expect(course.order == ["first", "look", "create", "batch"])
        await workers.stop()
    }
}
