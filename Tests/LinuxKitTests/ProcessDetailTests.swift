import Foundation
import SystemPackage
import Testing

@testable import LinuxKit

@Suite("Reading what processes are") struct ProcessDetailTests {
    private static func line(_ command: String, start: String = "8765") -> [UInt8] {
        let before = "S 1 42 42 0 -1 4194560 100 200 0 0 1 2 3 4 20 0 1 0"  // fields 3 to 21
        return Array("42 (\(command)) \(before) \(start) 5632000 300 18446744073709551615 1 1 0\n".utf8)
    }

    @Test(
        "the command is all between the outer parentheses, whatever it is",
        arguments: ["sleep", "", "a b", "a) R 1 (b", "))))", "((", ") ", "new\nline", "tab\t)", "é", "1 2 3"])
    func command(_ command: String) throws {
        let status = try #require(ProcessStatus(parsing: Self.line(command)))
        #expect(status.command == Array(command.utf8))
        #expect(status.startTicks == 8765)
    }

    @Test(
        "what is no status is refused",
        arguments: [
            "", "42", "42 (a", "42 a)", ")(", "42 (a) S 1 2 3", "42 (a) S 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 x",
        ])
    func rubbish(_ text: String) {
        #expect(ProcessStatus(parsing: Array(text.utf8)) == nil)
    }

    @Test(
        "a command line is split at its NULs",
        arguments: [
            ("", []), ("a\0", ["a"]), ("a\0b\0", ["a", "b"]), ("a\0\0b\0", ["a", "", "b"]), ("\0", [""]),
            ("nginx: worker process", ["nginx: worker process"]), ("a\0\0", ["a", ""]),
        ] as [(String, [String])])
    func arguments(content: String, arguments: [String]) {
        #expect(ProcessTable.arguments(parsing: Array(content.utf8)) == arguments)
    }

    @Test("ticks since the boot become wall-clock time") func wallTime() throws {
        let clock = try #require(
            BootClock(parsing: Array("cpu 1 2 3\nbtime 1700000000\nprocesses 5\n".utf8), ticksPerSecond: 100))
        #expect(clock.time(ofTicks: 250) == .milliseconds(1_700_000_002_500))
        #expect(BootClock(parsing: Array("cpu 1 2 3\n".utf8), ticksPerSecond: 100) == nil)
        #expect(BootClock(parsing: Array("btime 1\n".utf8), ticksPerSecond: 0) == nil)
    }
}

@Suite("The kernel's processes", .tags(.kernel)) struct ProcessKernelTests {
    private func makeNamespace(in scratch: Scratch) async throws(SystemError) -> NamespaceIdentity {
        let mountID = try scratch.directory.prepare()
        let namespaces = scratch.namespaces
        let workers = try KernelWorkers(count: 1)
        do throws(SystemError) {
            let status = try await workers.run { (thread) throws(SystemError) in
                try namespaces.create(
                    Array("a".utf8), raisingLoopback: false, mountID: mountID, on: &thread,
                    announce: { (_) throws(SystemError) in }, withdraw: {})
            }
            await workers.stop()
            return status.identity
        } catch {
            await workers.stop()
            throw error
        }
    }

    @Test("a process inside a namespace is told with its command, arguments and start") func details() async throws {
        let scratch = try Scratch()
        defer { scratch.cleanUp() }
        let identity = try await makeNamespace(in: scratch)
        #expect(try ProcessTable.details(inNetworkNamespace: identity.inode).isEmpty)

        // A name that looks like the fields after it, which the kernel shows as it is.
        let program = scratch.root.appending("s) R 1 (z").string
        try FileManager.default.copyItem(atPath: "/bin/sleep", toPath: program)
        let before = Date()
        let sleeper = Process()
        sleeper.executableURL = URL(filePath: "/usr/bin/nsenter")
        sleeper.arguments = ["--net=\(scratch.directory.path)/a", program, "20"]
        try sleeper.run()
        defer {
            kill(sleeper.processIdentifier, SIGKILL)
            sleeper.waitUntilExit()
        }
        var found: [ProcessDetail] = []
        let deadline = ContinuousClock.now + .seconds(10)
        // nsenter is inside for a moment before it becomes the program.
        while found.first?.command != "s) R 1 (z", ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(20))
            found = try ProcessTable.details(inNetworkNamespace: identity.inode)
        }
        try #require(found.count == 1)
        #expect(found[0].pid == sleeper.processIdentifier)
        #expect(found[0].command == "s) R 1 (z")
        #expect(found[0].arguments == [program, "20"])
        // The boot time is in whole seconds.
        let startedAt = Double(found[0].startedAt.components.seconds)
        #expect(abs(startedAt - before.timeIntervalSince1970) < 3)
        let namespace = try ProcessTable.networkNamespace(ofProcess: sleeper.processIdentifier)
        #expect(namespace == (identity.device, identity.inode))
    }

    @Test("a process's namespace is found by its number") func namespaceOfProcess() throws {
        let own = try Node.at("/proc/self/ns/net")
        #expect(try ProcessTable.networkNamespace(ofProcess: getpid()) == (own.device, own.inode))
    }

    @Test("there is no namespace of no process", arguments: [0, -1, Int32.max]) func noProcess(pid: Int32) {
        #expect(throws: SystemError(.statx, FilePath("/proc/\(pid)/ns/net"), errno: .noSuchFileOrDirectory)) {
            try ProcessTable.networkNamespace(ofProcess: pid)
        }
    }
}
