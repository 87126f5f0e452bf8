import LinuxKit
import Synchronization
import SystemPackage
import Testing

@Suite("Programs and their threads", .serialized, .timeLimit(.minutes(1)))
struct ProgramTests {
    @Test("What a program reads, writes and ends with")
    func outcome() throws {
        var program = Program("/bin/sh")
        program.arguments = ["-c", "cat; echo \"$A\"; echo bad >&2; exit 5"]
        program.environment = ["A": "b"]
        program.input = Array("in\n".utf8)
        let outcome = try program.run()
        #expect(outcome.end == .exited(5))
        #expect(String(decoding: outcome.output, as: UTF8.self) == "in\nb\n")
        #expect(String(decoding: outcome.errors, as: UTF8.self) == "bad\n")
    }

    @Test("A megabyte of input that is not read, and as much on both outputs, hold nobody up")
    func volume() throws {
        var program = Program("/bin/sh")
        program.arguments = ["-c", "head -c 1000000 /dev/zero; head -c 3000000 /dev/zero >&2"]
        program.environment = ["PATH": "/usr/bin:/bin"]
        program.input = [UInt8](repeating: 0x20, count: 1_000_000)
        let outcome = try program.run()
        #expect(outcome.end == .exited(0))
        #expect(outcome.output.count == 1_000_000)
        #expect(outcome.errors.count == program.outputLimit)
    }

    @Test("What cannot be run is told with the system's errno")
    func absent() {
        #expect(throws: SystemError(.spawn, "/nonexistent", errno: .noSuchFileOrDirectory)) {
            try Program("/nonexistent").run()
        }
        #expect(throws: SystemError(.spawn, "/etc", errno: .permissionDenied)) { try Program("/etc").run() }
    }

    @Test("A program that runs too long is killed")
    func timeout() throws {
        var program = Program("/bin/sleep")
        program.arguments = ["1000"]
        program.timeout = .milliseconds(100)
        #expect(try program.run().end == .timedOut)
    }

    @Test("No more jobs run at once than there may be threads; all end, and no thread is left")
    func threads() async throws {
        let threads = JobThreads(limit: 3)
        let counts = Counts()
        let sum = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 1...20 {
                group.addTask {
                    try await threads.run {
                        counts.begin()
                        var program = Program("/bin/sleep")
                        program.arguments = ["0.02"]
                        _ = try? program.run()
                        counts.end()
                        return number
                    }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(sum == 210)
        #expect(counts.most == 3)
        await threads.stop()
        #expect(threads.threadCount == 0)
        await #expect(throws: SystemError(.submitJob, errno: .canceled)) { try await threads.run {} }
    }
}

/// How many jobs run at once.
private final class Counts: Sendable {
    private let state = Mutex((now: 0, most: 0))

    var most: Int { state.withLock { $0.most } }
    func end() { state.withLock { $0.now -= 1 } }

    func begin() {
        state.withLock { state in
            state.now += 1
            state.most = max(state.most, state.now)
        }
    }
}
