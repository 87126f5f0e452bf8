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

    @Test("Who waits for one job goes before who waits for many, each kind in its order") func order() {
        var queue = JobQueue<Int>()
        for job in 0..<4 { queue.append(job, .batch) }
        for job in 10..<14 { queue.append(job, .interactive) }
        queue.prepend(9)
        #expect(queue.count == 9)
        #expect(drain(&queue) == [9, 10, 11, 12, 13, 0, 1, 2, 3])
        #expect(queue.isEmpty)
    }

    @Test("A batch has its turn, however many others come") func fairness() {
        var queue = JobQueue<Int>()
        queue.append(-1, .batch)
        queue.append(-2, .batch)
        for job in 0..<40 { queue.append(job, .interactive) }
        let jobs = drain(&queue)
        #expect(jobs.firstIndex(of: -1) == 16)
        #expect(jobs.firstIndex(of: -2) == 33)
        #expect(jobs.filter { $0 >= 0 } == Array(0..<40))
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

    @Test("A worker takes the job of a batch after the others that wait") func workers() async throws {
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
        tasks.append(start("single", .interactive))
        while workers.queuedJobs < 2 { try await Task.sleep(for: .milliseconds(1)) }
        course.gate.signal()
        for task in tasks { try await task.value }
        #expect(course.order == ["first", "single", "batch"])
        await workers.stop()
    }
}
