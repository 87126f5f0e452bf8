import CLinux
import Dispatch
import Synchronization
import SystemPackage
import Testing

@testable import LinuxKit

@Suite("What workers see to between their jobs", .tags(.kernel), .timeLimit(.minutes(1))) struct InterludeTests {
    @Test("told by the thread of each job that has ended, at home, and by each that is without one")
    func told() async throws {
        let interlude = Notes()
        let workers = try KernelWorkers(count: 1, interlude: interlude)
        let home = try Node.at("/proc/thread-self/ns/net").inode
        let thread = try await workers.run { (thread) throws(SystemError) in
            try thread.inNewNetworkNamespace { () throws(SystemError) in
                let away = try Node.at("/proc/thread-self/ns/net").inode
                #expect(away != home)
                return clinux_thread_id()
            }
        }
        await workers.stop()
        #expect(interlude.ended.withLock { $0 } == [Notes.Ended(thread: thread, namespace: home, waiting: 0)])
        #expect(Set(interlude.free.withLock { $0 }) == [thread])
        #expect(interlude.performed.withLock { $0 } == 0)
    }

    @Test("jobs that wait although every thread has one are a crowd, unless they are soon done", arguments: [0, 100])
    func crowd(shortJobs: Int) async throws {
        let interlude = Notes()
        let workers = try KernelWorkers(count: 2, interlude: interlude)
        for _ in 0..<shortJobs { try await workers.run { (_) throws(SystemError) in } }
        let attached = interlude.isCrowded.withLock { $0 }
        let isCrowded = try #require(attached)
        let end = DispatchSemaphore(value: 0)
        async let first: Void = workers.run { (_) throws(SystemError) in end.wait() }
        async let second: Void = workers.run { (_) throws(SystemError) in end.wait() }
        for _ in 0..<1000 where workers.runningJobs < 2 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(workers.runningJobs == 2 && !isCrowded())
        async let third: Void = workers.run { (_) throws(SystemError) in end.wait() }
        for _ in 0..<1000 where workers.queuedJobs < 1 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(isCrowded() == (shortJobs == 0))
        for _ in 0..<3 { end.signal() }
        _ = try await (first, second, third)
        #expect(!isCrowded())
        await workers.stop()
        // Who took the third had ended another one while it waited.
        #expect(interlude.ended.withLock { $0.contains { $0.waiting == 1 } })
    }
}

/// Notes what it is told, and does something if it is given it.
final class Notes: Interlude {
    struct Ended: Equatable {
        let thread: CInt
        let namespace: UInt64?
        let waiting: Int
    }

    let isCrowded = Mutex<(@Sendable () -> Bool)?>(nil)
    let ended = Mutex<[Ended]>([])
    let free = Mutex<[CInt]>([])
    let performed = Mutex(0)
    private let action: (@Sendable () -> Void)?

    init(_ action: (@Sendable () -> Void)? = nil) { self.action = action }

    func attach(isCrowded: @escaping @Sendable () -> Bool) { self.isCrowded.withLock { $0 = isCrowded } }

    func workEnded(waiting: Int) -> Bool {
        let note = Ended(
            thread: clinux_thread_id(), namespace: try? Node.at("/proc/thread-self/ns/net").inode, waiting: waiting)
        ended.withLock { $0.append(note) }
        return action != nil
    }

    func perform() {
        action?()
        performed.withLock { $0 += 1 }
    }

    func threadIsFree() { free.withLock { $0.append(clinux_thread_id()) } }
}
