import Foundation
import SystemPackage
import Testing

@testable import LinuxKit

@Suite("Configuration files") struct ConfigurationFileTests {
    private func withDirectory(_ body: (FilePath) throws -> Void) throws {
        let directory = FilePath("/tmp/netnsd-test-\(UUID().uuidString.prefix(8))")
        try FileSystem.makeDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory.string) }
        try body(directory)
    }

    @Test("what is read comes with the facts of the file that it was read from") func facts() throws {
        try withDirectory { directory in
            let path = directory.appending("file")
            try FileSystem.replace(path, with: Array("hello".utf8))
            let file = try ConfigurationFile(path)
            #expect(file.content == Array("hello".utf8))
            #expect(file.facts.size == 5)
            #expect(file.facts.isOursAlone)
            #expect(try file.facts == FileFacts.at(path))
            try FileSystem.replace(path, with: Array("hello".utf8))
            #expect(try file.facts != FileFacts.at(path))
        }
    }

    @Test(
        "who else may do what with it is told",
        arguments: [
            (0o600, false, false), (0o640, true, false), (0o604, true, false), (0o620, false, true),
            (0o602, false, true),
        ])
    func permissions(mode: Int, isReadable: Bool, isWritable: Bool) throws {
        try withDirectory { directory in
            let path = directory.appending("file")
            try FileSystem.replace(path, with: [])
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path.string)
            let facts = try ConfigurationFile(path).facts
            #expect(facts.permissions == UInt32(mode))
            #expect(facts.isReadableByOthers == isReadable)
            #expect(facts.isWritableByOthers == isWritable)
            #expect(facts.isOursAlone == !(isReadable || isWritable))
        }
    }

    @Test("a file of 1 MiB is read, and of a longer one not more than it takes to tell") func limit() throws {
        try withDirectory { directory in
            let path = directory.appending("file")
            let limit = ConfigurationFile.limit
            try FileSystem.replace(path, with: [UInt8](repeating: 0x20, count: limit))
            #expect(try ConfigurationFile(path).content.count == limit)
            for size in [limit + 1, 1 << 40] {
                try OwnedDescriptor.open(path, O_WRONLY).truncate(to: size, path: path)
                #expect(throws: SystemError(.read, path, errno: .fileTooLarge)) { try ConfigurationFile(path) }
            }
        }
    }

    @Test("what is no regular file is refused, and nobody is waited for; procfs, whose files have no size, is read")
    func kinds() throws {
        try withDirectory { directory in
            let pipe = directory.appending("pipe")
            try #require(mkfifo(pipe.string, 0o600) == 0)
            for path in [pipe, directory, "/dev/zero"] {
                #expect(throws: SystemError(.read, path, errno: .invalidArgument)) { try ConfigurationFile(path) }
            }
            let missing = directory.appending("missing")
            #expect(throws: SystemError(.open, missing, errno: .noSuchFileOrDirectory)) {
                try ConfigurationFile(missing)
            }
            #expect(try !ConfigurationFile("/proc/self/status").content.isEmpty)
        }
    }
}
