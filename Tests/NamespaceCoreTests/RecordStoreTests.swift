import Foundation
import Glibc
import LinuxKit
import SystemPackage
import Testing

@testable import NamespaceCore

@Suite("The records") struct RecordStoreTests {
    /// A state directory of the test's own.
    private struct Home {
        let directory: FilePath

        var file: FilePath { directory.appending("namespaces.jsonl") }
        var sibling: FilePath { FilePath(file.string + ".unreadable") }

        /// Writes lines into the file, in slots or as an editor would.
        func write(_ lines: [[UInt8]], inOrder: Bool = true) throws {
            if inOrder {
                var slots = SlotFile(file)
                for line in lines { _ = try slots.write(line) }
            } else {
                try Data(lines.flatMap { $0 + Array("\n".utf8) }).write(to: URL(filePath: file.string))
            }
        }

        /// The lines that are there, without what they are filled up with.
        func lines() throws -> [[UInt8]] {
            var slots = SlotFile(file)
            var lines: [[UInt8]] = []
            try slots.load { lines.append($1) }
            let isWorthReplacing = slots.isWorthReplacing
            #expect(!isWorthReplacing)
            return lines
        }

        /// What a start finds.
        func load() throws -> RecordStore.Contents { try RecordStore(directory: directory).load(bootID: "boot") }

        func names(in subdirectory: String) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: directory.appending(subdirectory).string).sorted()
        }

        func has(_ entry: String) -> Bool {
            FileManager.default.fileExists(atPath: directory.appending(entry).string)
        }
    }

    private func withHome(_ body: (Home) throws -> Void) throws {
        let home = Home(directory: FilePath("/tmp/netnsd-records-\(UUID().uuidString.prefix(8))"))
        try FileManager.default.createDirectory(atPath: home.directory.string, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: home.directory.string) }
        try body(home)
    }

    /// A record that is told from others by its number.
    private func record(_ number: UInt64, bootID: String = "boot") -> NamespaceRecord {
        let identity = NamespaceIdentity(device: 4, inode: number, cookie: number)
        return NamespaceRecord(adopting: identity, at: Timestamp(milliseconds: 1), by: nil, bootID: bootID)
    }

    @Test("A record is there for the next start as it was last written, and not once it is removed")
    func life() throws {
        try withHome { home in
            let (a, b) = (try name("a"), try #require(NamespaceName(bytes: [0xff, 0x25, 0x2e])))
            let store = try RecordStore(directory: home.directory)
            try store.save(record(1), for: a)
            try store.save(record(2), for: b)
            #expect(try home.load().records == [a: record(1), b: record(2)])
            try store.save(record(3), for: a)
            #expect(try home.load().records == [a: record(3), b: record(2)])
            try store.remove(b)
            try store.remove(b)
            #expect(try home.load().records == [a: record(3)])
            try store.save(record(4), for: b)
            #expect(try home.load().records == [a: record(3), b: record(4)])
            #expect(try home.lines().compactMap { NamespaceRecord.parse($0)?.sequence }.sorted() == [3, 4])
        }
    }

    @Test(
        "Of two records of one name the newer counts, wherever it is, and the older is cleared",
        arguments: [false, true], [false, true])
    func twice(isNewerFirst: Bool, inOrder: Bool) throws {
        try withHome { home in
            let a = try name("a")
            let lines = [record(1).text(for: a, sequence: 9), record(2).text(for: a, sequence: 10)]
            try home.write(isNewerFirst ? lines.reversed() : lines, inOrder: inOrder)
            let store = try RecordStore(directory: home.directory)
            let contents = try store.load(bootID: "boot")
            #expect(contents.records == [a: record(2)])
            #expect(contents.setAside.isEmpty)
            #expect(try home.lines() == [lines[1]])
            try store.save(record(3), for: a)
            #expect(try home.lines() == [record(3).text(for: a, sequence: 11)])
        }
    }

    @Test("Records of another boot go, also one that is newer than ours", arguments: [false, true])
    func otherBoot(inOrder: Bool) throws {
        try withHome { home in
            let (a, b) = (try name("a"), try name("b"))
            let lines = [
                record(1).text(for: a, sequence: 1), record(2, bootID: "before").text(for: a, sequence: 7),
                record(3, bootID: "before").text(for: b, sequence: 8),
            ]
            try home.write(lines, inOrder: inOrder)
            #expect(try home.load().records == [a: record(1)])
            #expect(try home.lines() == [lines[0]])
        }
    }

    @Test("Lines that are no records are set aside, once", arguments: [false, true])
    func unreadable(inOrder: Bool) throws {
        try withHome { home in
            let a = try name("a")
            let whole = record(1).text(for: a, sequence: 1)
            let unreadable = [
                "{", "{}", "garbage", String(decoding: whole.dropLast(), as: UTF8.self),
                #"{"sequence":-1,"#
                    + String(decoding: whole, as: UTF8.self).replacing("{\"sequence\":1,", with: ""),
                String(decoding: record(2).text(for: a, sequence: .max), as: UTF8.self),
            ].map { Array($0.utf8) }
            try home.write(unreadable[..<3] + [whole] + unreadable[3...], inOrder: inOrder)
            for round in 0..<2 {
                let contents = try home.load()
                #expect(contents.records == [a: record(1)])
                #expect(contents.setAside == (round == 0 ? unreadable.map { _ in home.sibling } : []))
                #expect(try home.lines() == [whole])
                let aside = try FileSystem.read(home.sibling)
                #expect(aside == unreadable.flatMap { $0 + Array("\n".utf8) })
            }
        }
    }

    @Test("What cannot be set aside stays until it can, and keeps nobody from starting", arguments: [false, true])
    func noRoomAside(inOrder: Bool) throws {
        try withHome { home in
            let a = try name("a")
            let (line, whole) = (Array("garbage".utf8), record(1).text(for: a, sequence: 1))
            try home.write([line, whole], inOrder: inOrder)
            try FileSystem.makeDirectory(home.sibling)
            for _ in 0..<2 {
                let contents = try home.load()
                #expect(contents.records == [a: record(1)])
                #expect(contents.setAside.isEmpty)
                #expect(contents.unmoved == 1)
                #expect(try Set(home.lines()) == [line, whole])
            }
            try FileSystem.removeEmptyDirectory(home.sibling)
            #expect(try home.load().setAside == [home.sibling])
            #expect(try home.lines() == [whole])
        }
    }

    @Test("Records that an earlier version has left, a file each, are taken over, and the directories go")
    func earlierVersion() throws {
        try withHome { home in
            let odd = try #require(NamespaceName(bytes: [0xff, 0x25, 0x2e]))
            let (a, both) = (try name("a"), try name("both"))
            try home.write([record(1).text(for: both, sequence: 5)])
            try leave(
                home,
                [
                    "a.json": text(record(2), a), "\(odd.pathSegment).json": text(record(3), odd),
                    "both.json": text(record(4), both), "old.json": text(record(5, bootID: "before"), try name("old")),
                ])
            let store = try RecordStore(directory: home.directory)
            let contents = try store.load(bootID: "boot")
            // The earlier version has run since the line was written.
            let expected = [a: record(2), odd: record(3), both: record(4)]
            #expect(contents.records == expected)
            #expect(contents.setAside.isEmpty)
            #expect(!home.has("namespaces") && !home.has("spare"))
            #expect(try home.load().records == expected)
            // They are the store's own from now on.
            for name in [a, odd] { try store.remove(name) }
            #expect(try home.load().records == [both: record(4)])
        }
    }

    @Test("What of an earlier version's files is no record stays where it is, set aside once")
    func unreadableFiles() throws {
        try withHome { home in
            let a = try name("a")
            try leave(
                home,
                [
                    "a.json": text(record(1), a), "broken.json": Array("{".utf8), "empty.json": [],
                    "other.json": text(record(2), try name("another")),
                ])
            try FileSystem.makeDirectory(home.directory.appending("namespaces/directory.json"))
            let names = ["broken", "directory", "empty", "other"].map { "\($0).json.unreadable" }
            let paths = names.map { home.directory.appending("namespaces").appending($0) }
            for round in 0..<2 {
                let contents = try home.load()
                #expect(contents.records == [a: record(1)])
                #expect(Set(contents.setAside) == (round == 0 ? Set(paths) : []))
                #expect(try home.names(in: "namespaces") == names)
                #expect(!home.has("spare"))
            }
            #expect(try FileSystem.read(paths[0]) == Array("{".utf8))
        }
    }

    @Test("Whatever sequence a line has, what is written next can be read", arguments: [(1 as Int64) << 52, 1 << 53])
    func lateSequence(sequence: Int64) throws {
        try withHome { home in
            let (a, b) = (try name("a"), try name("b"))
            try home.write([record(1).text(for: a, sequence: sequence)])
            let store = try RecordStore(directory: home.directory)
            #expect(try store.load(bootID: "boot").records == [a: record(1)])
            try store.save(record(2), for: b)
            try store.save(record(3), for: a)
            #expect(try home.load().records == [a: record(3), b: record(2)])
        }
    }

    @Test("A full disk keeps nobody from starting: what is out of order stays so, an earlier version's files make room")
    func fullDisk() throws {
        try withHome { home in
            let disk = home.directory.string
            try #require(mount("none", disk, "tmpfs", 0, "size=64k") == 0)
            defer { umount2(disk, CInt(MNT_DETACH)) }
            let (a, b) = (try name("a"), try name("b"))
            try home.write([record(1).text(for: a, sequence: 3), Array("garbage".utf8)], inOrder: false)
            try leave(home, ["b.json": text(record(2), b)])
            // Of these nothing is to be had.
            try FileSystem.write(home.directory.appending("spare/1"), [])
            try? FileSystem.write(home.directory.appending("filler"), [UInt8](repeating: 1, count: 64 * 1024))
            let contents = try home.load()
            #expect(contents.records == [a: record(1), b: record(2)])
            #expect(contents.unmoved == 1)
            #expect(!home.has("namespaces") && !home.has("spare"))
            #expect(try home.load().records == contents.records)
        }
    }

    /// A record as it was written before there were sequences: with a newline.
    private func text(_ record: NamespaceRecord, _ name: NamespaceName) -> [UInt8] {
        let text = String(decoding: record.text(for: name), as: UTF8.self)
        return Array(text.replacing("\"sequence\":0,", with: "").utf8) + Array("\n".utf8)
    }

    /// Makes the directories of an earlier version, with these files of records and a spare one.
    private func leave(_ home: Home, _ files: [String: [UInt8]]) throws {
        let (records, spares) = (home.directory.appending("namespaces"), home.directory.appending("spare"))
        for directory in [records, spares] { try FileSystem.makeDirectory(directory) }
        for (name, content) in files { try FileSystem.write(records.appending(name), content) }
        try FileSystem.write(spares.appending("1"), Array("left".utf8))
    }
}
