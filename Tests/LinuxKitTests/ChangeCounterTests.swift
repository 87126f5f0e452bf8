import Foundation
import SystemPackage
import Testing

@testable import LinuxKit

@Suite("Counting changes", .tags(.kernel), .serialized, .timeLimit(.minutes(1)))
struct ChangeCounterTests {
    /// What must be counted, as commands for a shell in a directory with the namespaces `heard` and `other`.
    private static let changes = [
        "touch new", "rm new", "mv other another", "mv another other", "mount --bind other file", "umount file",
        "nsenter --net=heard ip link set lo up", "nsenter --net=heard ip link set lo down",
        "nsenter --net=heard ip link add v0 type veth", "nsenter --net=heard ip link delete v0", "umount heard",
    ]

    @Test("whatever a look would show otherwise is counted once it is done, and nothing while all is quiet")
    func counted() throws {
        let scratch = try Scratch()
        defer { scratch.cleanUp() }
        _ = try scratch.directory.prepare()
        let directory = scratch.directory.path
        func run(_ command: String) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-ec", "cd \(directory); \(command)"]
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0, "\(command)")
        }
        try run("touch file heard other; unshare --net=heard true")
        let counter = try ChangeCounter(scratch.directory)
        counter.hear(of: try OwnedDescriptor.open(directory.entry(Array("heard".utf8)), O_RDONLY))
        for command in Self.changes {
            // The host is not ours alone: something else may have been mounted.
            #expect((0..<50).contains { _ in counter.count == counter.count }, "\(command)")
            let before = try #require(counter.count)
            try run(command)
            #expect(try #require(counter.count) != before, "\(command)")
        }
    }

    @Test("a directory that is not there, or another one, is not taken for quiet")
    func lost() throws {
        let scratch = try Scratch()
        defer { scratch.cleanUp() }
        let counter = try ChangeCounter(scratch.directory)
        let before = try #require(counter.count)
        try FileManager.default.removeItem(atPath: scratch.directory.path.string)
        #expect(counter.count == nil)
        try FileManager.default.createDirectory(
            atPath: scratch.directory.path.string, withIntermediateDirectories: false)
        let after = try #require(counter.count)
        #expect(after > before)
        #expect(FileManager.default.createFile(atPath: scratch.directory.path.string + "/a", contents: nil))
        #expect(try #require(counter.count) > after)
    }
}
