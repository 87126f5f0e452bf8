import Foundation
import JSONText
import LinuxKit
import MicroHTTP
import NamespaceCore
import SystemPackage
import Testing

/// What the fuzzers begin with, and what they have found, goes through the parsers in every test run as well; their own
/// checks are in `Tests/Fuzz`.
@Suite("The fuzzers' corpora") struct CorpusTests {
    private static func corpus(_ name: String) throws -> [[UInt8]] {
        let directory = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fuzz/Corpora/\(name)")
        let files = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
        try #require(files.count >= 8)
        return try files.map { Array(try Data(contentsOf: $0)) }
    }

    @Test("Request targets of the corpus are split without a NUL or a dot segment, or refused")
    func requestTargets() throws {
        let targets = try Self.corpus("RequestTarget").compactMap { try? RequestTarget(parsing: $0) }
        #expect(targets.count >= 5)
        for segment in targets.flatMap(\.segments) {
            #expect(!segment.contains(0) && segment != Array(".".utf8) && segment != Array("..".utf8))
        }
    }

    @Test("JSON of the corpus is parsed, or refused at a place inside of it")
    func json() throws {
        var parsed = 0
        for text in try Self.corpus("JSON") {
            do throws(JSONMalformation) {
                _ = try JSONValue(parsing: text)
                parsed += 1
            } catch {
                #expect((0...text.count).contains(error.offset))
            }
        }
        #expect(parsed >= 4)
    }

    @Test("Records of the corpus are read as they were written, or refused")
    func records() throws {
        let records = try Self.corpus("Record").compactMap { NamespaceRecord.parse($0) }
        #expect(records.count >= 2)
        #expect(records.contains { $0.sequence == 0 } && records.contains { $0.sequence > 0 })
        for (name, record, sequence) in records {
            #expect(record.createdAt.description.utf8.count == 24)
            let same = try #require(NamespaceRecord.parse(record.text(for: name, sequence: sequence)))
            #expect(same == (name, record, sequence))
            if let lease = record.lease {
                var renewed = record
                renewed.lease = Lease(seconds: lease.seconds, from: lease.deadline)
                #expect(NamespaceRecord.parse(renewed.text(for: name))?.record == renewed)
            }
        }
    }

    @Test("Mountinfo of the corpus leaves the lines after it as they are")
    func mountInfo() throws {
        let line = Array("\n43 42 0:4 net:[4026532185] /run/netns/t1 rw shared:8 - nsfs nsfs rw\n".utf8)
        let expected = MountInfo(parsing: line).mounts
        for content in try Self.corpus("MountInfo") {
            let mounts = MountInfo(parsing: content).mounts
            #expect(MountInfo(parsing: content + line).mounts == mounts + expected)
        }
    }

    @Test("Files of lines of the corpus take in another one, and leave the others as they are")
    func slots() throws {
        let path = FilePath("/tmp/netnsd-corpus-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(atPath: path.string) }
        func lines(_ file: inout SlotFile) throws(SystemError) -> [[UInt8]] {
            var lines: [[UInt8]] = []
            try file.load { (_, line) in lines.append(line) }
            return lines
        }
        let added = Array(#"{"added":true}"#.utf8)
        var count = 0
        for content in try Self.corpus("Slots") {
            try FileSystem.replace(path, with: content)
            var file = SlotFile(path)
            let before = try lines(&file)
            count += before.count
            // An editor's indented line is written again by those who can read it.
            guard before.allSatisfy({ $0.first != UInt8(ascii: " ") }) else { continue }
            if file.isWorthReplacing { #expect(try file.replace(with: before)?.count == before.count) }
            _ = try file.write(added)
            var again = SlotFile(path)
            let after = try lines(&again)
            #expect(after.count == before.count + 1 && after.contains(added))
            #expect(after.filter { $0 != added } == before.filter { $0 != added })
        }
        #expect(count == 15)
    }
}
