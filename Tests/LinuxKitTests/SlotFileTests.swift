import Foundation
import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import LinuxKit

@Suite("The file of slots", .timeLimit(.minutes(1))) struct SlotFileTests {
    /// Runs `body` with the path of a file that is not there, in a directory of its own.
    private func withPath(_ body: (FilePath) throws -> Void) throws {
        let directory = "/tmp/netnsd-slots-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(FilePath(directory + "/lines"))
    }

    /// A file of slots that can be copied, as the macros of Testing do with what they are given.
    private final class Slots {
        private var file: SlotFile

        init(_ path: FilePath) { file = SlotFile(path) }

        var isInOrder: Bool { file.isInOrder }
        var isWorthReplacing: Bool { file.isWorthReplacing }

        func write(_ line: [UInt8]) throws(SystemError) -> SlotFile.Place { try file.write(line) }

        func clear(_ place: SlotFile.Place) throws(SystemError) { try file.clear(place) }

        func replace(with lines: [[UInt8]]) throws(SystemError) -> [SlotFile.Place]? { try file.replace(with: lines) }

        func setAside(_ line: [UInt8]) throws(SystemError) -> FilePath { try file.setAside(line) }

        /// What is there, in the file's order.
        @discardableResult
        func load() throws(SystemError) -> [(place: SlotFile.Place, line: String)] {
            var found: [(place: SlotFile.Place, line: String)] = []
            try file.load { found.append(($0, String(decoding: $1, as: UTF8.self))) }
            return found
        }

        /// Why a line cannot be written, if it cannot.
        func refusal(of line: [UInt8]) -> Errno? {
            do throws(SystemError) {
                _ = try write(line)
                return nil
            } catch {
                return error.errno
            }
        }
    }

    /// What the next process finds.
    private func lines(_ path: FilePath) throws -> [String] { try Slots(path).load().map(\.line) }

    private func size(_ path: FilePath) throws -> Int { try FileSystem.read(path).count }

    private func line(_ letter: Character, _ length: Int) -> [UInt8] {
        Array(String(repeating: letter, count: length).utf8)
    }

    private func append(_ text: String, to path: FilePath) throws {
        try FileSystem.write(path, try FileSystem.read(path) + Array(text.utf8))
    }

    @Test(
        "A line comes back as it was written, among others, from a place that is a power of two of slots",
        arguments: [
            (1, 512), (511, 512), (512, 1024), (600, 1024), (1023, 1024), (1024, 2048), (5000, 8192), (60_000, 65_536),
        ])
    func lengths(line length: Int, place: Int) throws {
        try withPath { path in
            let file = Slots(path)
            let expected = [line("a", 3), line("b", length), line("c", 3)]
            for line in expected { _ = try file.write(line) }
            #expect(try size(path) == 512 + place + 512)
            #expect(try lines(path) == expected.map { String(decoding: $0, as: UTF8.self) })
            #expect(file.isInOrder)
            let rows = try FileSystem.read(path).split(separator: UInt8(ascii: "\n"))
            #expect(rows.map { $0.count + 1 } == [512, place, 512])
        }
    }

    @Test("A place is used again, by the next process too: 10,000 lines that come and go take no more than one")
    func reuse() throws {
        try withPath { path in
            var file = Slots(path)
            _ = try file.write(line("a", 9))
            for round in 0..<10_000 {
                try file.clear(try file.write(Array("round \(round)".utf8)))
                if round % 1000 == 0 {
                    file = Slots(path)
                    try file.load()
                }
            }
            _ = try file.write(line("b", 9))
            #expect(try size(path) == 1024)
            #expect(try lines(path) == ["aaaaaaaaa", "bbbbbbbbb"])
        }
    }

    @Test("A place is for lines of its length only")
    func otherLengths() throws {
        try withPath { path in
            let file = Slots(path)
            let places = [try file.write(line("a", 600)), try file.write(line("b", 5))]
            for place in places { try file.clear(place) }
            _ = try file.write(line("c", 600))
            _ = try file.write(line("d", 5))
            #expect(try size(path) == 1536)
            _ = try file.write(line("e", 1500))
            #expect(
                try lines(path)
                    == [line("c", 600), line("d", 5), line("e", 1500)].map { String(decoding: $0, as: UTF8.self) })
        }
    }

    @Test("A part of a line at the end is dropped, and the next line can be read", arguments: [0, 1, 511, 512, 5000])
    func torn(length: Int) throws {
        try withPath { path in
            var file = Slots(path)
            for letter: Character in ["a", "b"] { _ = try file.write(line(letter, 3)) }
            // The first slot is written last.
            try append(String(repeating: "\0", count: 512) + String(repeating: "x", count: length), to: path)
            file = Slots(path)
            try file.load()
            #expect(file.isInOrder)
            #expect(try size(path) == 1024)
            _ = try file.write(line("c", 3))
            #expect(try lines(path) == ["aaa", "bbb", "ccc"])
        }
    }

    @Test("A last line without its newline is an editor's, and counts")
    func noNewline() throws {
        try withPath { path in
            try FileSystem.write(path, Array("one\ntwo".utf8))
            let file = Slots(path)
            #expect(try file.load().map(\.line) == ["one", "two"])
            #expect(file.isWorthReplacing)
            // Also where it is not replaced, for want of room.
            _ = try file.write(line("c", 3))
            #expect(try lines(path) == ["one", "two", "ccc"])
        }
    }

    @Test("Of a line in two pages that is half written or half blanked nothing is left", arguments: [false, true])
    func halves(isBlanked: Bool) throws {
        try withPath { path in
            var file = Slots(path)
            for (letter, length): (Character, Int) in [("a", 9), ("b", 4000), ("c", 9)] {
                _ = try file.write(line(letter, length))
            }
            // The end of the place, from the second page on, is there; the beginning is not yet, or no more.
            var content = try FileSystem.read(path)
            let beginning = content[512..<4096].indices
            content.replaceSubrange(
                beginning, with: [UInt8](repeating: isBlanked ? UInt8(ascii: " ") : 0, count: beginning.count))
            try FileSystem.write(path, content)
            file = Slots(path)
            #expect(try file.load().map(\.line) == ["aaaaaaaaa", "ccccccccc"])
            _ = try file.write(line("d", 4000))
            #expect(try size(path) == content.count)
            #expect(try lines(path) == ["aaaaaaaaa", String(repeating: "d", count: 4000), "ccccccccc"])
        }
    }

    @Test("An editor's lines may be indented")
    func indented() throws {
        try withPath { path in
            try FileSystem.write(path, Array("{\n  one\n}\n two".utf8))
            #expect(try Slots(path).load().map(\.line) == ["{", "  one", "}", " two"])
        }
    }

    @Test("A file that somebody has removed or emptied takes no more lines", arguments: [false, true])
    func removed(isEmptied: Bool) throws {
        try withPath { path in
            let file = Slots(path)
            _ = try file.write(line("a", 3))
            if isEmptied { try FileSystem.write(path, []) } else { try FileSystem.unlink(path) }
            #expect(file.refusal(of: line("b", 3)) == .noSuchFileOrDirectory)
        }
    }

    @Test("A long file with little but blanks is worth replacing")
    func sparse() throws {
        try withPath { path in
            var file = Slots(path)
            let places = try (0..<200).map { _ in try file.write(line("a", 9)) }
            for place in places.dropFirst(40) { try file.clear(place) }
            file = Slots(path)
            #expect(try file.load().count == 40)
            #expect(file.isWorthReplacing && file.isInOrder)
            #expect(try file.replace(with: Array(repeating: line("a", 9), count: 40))?.count == 40)
            #expect(try size(path) == 40 * 512)
            #expect(!file.isWorthReplacing)
        }
    }

    @Test(
        "Lines of other lengths are read and reported, and are in order once they are replaced",
        arguments: [
            "one\ntwo\nthree\n", "one  \n\n   \ntwo\nthree\n", "one\ntwo\nthree", "one\ntwo\nthree\n   ",
            // Three slots, and one and a half.
            "one\n\("two".padding(toLength: 1535, withPad: " ", startingAt: 0))\nthree\n",
            "\("one".padding(toLength: 767, withPad: " ", startingAt: 0))\ntwo\nthree\n",
        ])
    func edited(text: String) throws {
        try withPath { path in
            try FileSystem.write(path, Array(text.utf8))
            let file = Slots(path)
            let found = try file.load().map(\.line)
            #expect(found == ["one", "two", "three"])
            #expect(!file.isInOrder)
            #expect(file.isWorthReplacing)
            let places = try #require(try file.replace(with: found.map { Array($0.utf8) }))
            #expect(!file.isWorthReplacing)
            #expect(file.isInOrder)
            #expect(try size(path) == 3 * 512)
            try file.clear(places[1])
            _ = try file.write(line("d", 3))
            #expect(try lines(path) == ["one", "ddd", "three"])
            #expect(try FileSystem.names(in: path.removingLastComponent()).count == 1)
        }
    }

    @Test(
        "On a full disk every other line stays as it is, a cleared place can be written, and with room all can",
        .tags(.kernel))
    func full() throws {
        try withPath { path in
            let disk = path.removingLastComponent().string
            try #require(mount("none", disk, "tmpfs", 0, "size=16k") == 0)
            defer { umount2(disk, CInt(MNT_DETACH)) }
            let file = Slots(path)
            var places: [SlotFile.Place] = []
            for number in 0..<8 { places.append(try file.write(Array("line \(number)".utf8))) }
            let before = try FileSystem.read(path)
            // There is room for a part of it.
            #expect(file.refusal(of: line("x", 60_000)) == .noSpace)
            #expect(try FileSystem.read(path) == before)
            while file.refusal(of: Array("line \(places.count)".utf8)) == nil, places.count < 100 {
                places.append(places[0])
            }
            let all = (0..<places.count).map { "line \($0)" }
            #expect(places.count >= 24 && places.count < 100)
            #expect(try lines(path) == all)
            try file.clear(places[3])
            #expect(file.refusal(of: Array("again".utf8)) == nil)
            #expect(file.refusal(of: Array("more".utf8)) == .noSpace)
            #expect(try lines(path) == all[..<3] + ["again"] + all[4...])
            try #require(mount("none", disk, "tmpfs", UInt(MS_REMOUNT), "size=1m") == 0)
            #expect(file.refusal(of: line("x", 60_000)) == nil)
            #expect(try lines(path) == all[..<3] + ["again"] + all[4...] + [String(repeating: "x", count: 60_000)])
        }
    }

    @Test("Once the last line is gone a file of more than 64 KiB is emptied, and a shorter one is not")
    func emptied() throws {
        try withPath { path in
            let file = Slots(path)
            var places = try (0..<128).map { _ in try file.write(line("a", 9)) }
            for place in places { try file.clear(place) }
            #expect(try size(path) == 64 * 1024)
            #expect(try lines(path).isEmpty)
            places = [try file.write(line("b", 9)), try file.write(line("c", 600))]
            try file.clear(places[0])
            #expect(try size(path) == 65 * 1024)
            try file.clear(places[1])
            #expect(try size(path) == 0)
            for letter: Character in ["d", "e"] { _ = try file.write(line(letter, 3)) }
            #expect(try size(path) == 1024)
            #expect(try lines(path) == ["ddd", "eee"])
        }
    }

    @Test("What a killed writer has left of a line is blank once the file was read")
    func remains() throws {
        try withPath { path in
            let (whole, left) = (line("a", 3), line("b", 600))
            let file = Slots(path)
            for content in [whole, left, left] { _ = try file.write(content) }
            var bytes = try FileSystem.read(path)
            // Taken away as far as its first slot, and written but for that.
            bytes.replaceSubrange(512..<1024, with: [UInt8](repeating: UInt8(ascii: " "), count: 512))
            bytes.replaceSubrange(1536..<2048, with: [UInt8](repeating: 0, count: 512))
            try FileSystem.replace(path, with: bytes)
            let again = Slots(path)
            #expect(try again.load().map(\.line) == ["aaa"])
            let blank = [UInt8](repeating: UInt8(ascii: " "), count: 1023) + Array("\n".utf8)
            #expect(try FileSystem.read(path) == bytes[..<512] + blank + blank)
        }
    }

    @Test("What is set aside is added to the file's sibling")
    func setAside() throws {
        try withPath { path in
            let file = Slots(path)
            let siblings = [try file.setAside(line("a", 3)), try file.setAside(line("b", 600))]
            #expect(siblings.map(\.string) == [path.string + ".unreadable", path.string + ".unreadable"])
            #expect(
                try FileSystem.read(siblings[0]) == line("a", 3) + Array("\n".utf8) + line("b", 600) + Array("\n".utf8))
        }
    }

    @Test(
        "Random lines that come, go and are read again now and then are those of a dictionary",
        arguments: 1...20 as ClosedRange<UInt64>)
    func model(seed: UInt64) throws {
        try withPath { path in
            var random = SeededGenerator(seed: seed)
            var file = Slots(path)
            var model: [String: SlotFile.Place] = [:]
            for step in 0..<400 {
                switch Int.random(in: 0..<100, using: &random) {
                case 0..<3:
                    file = Slots(path)
                    let found = Dictionary(uniqueKeysWithValues: try file.load().map { ($0.line, $0.place) })
                    #expect(file.isInOrder)
                    #expect(Set(found.keys) == Set(model.keys), "step \(step)")
                    model = found
                case 3..<50:
                    guard let line = model.keys.sorted().randomElement(using: &random) else { continue }
                    guard let place = model.removeValue(forKey: line) else { continue }
                    try file.clear(place)
                default:
                    let length = Int.random(in: 0..<(1 << Int.random(in: 1..<14, using: &random)), using: &random)
                    let line = "\(step) " + String(repeating: "x", count: length) + "."
                    model[line] = try file.write(Array(line.utf8))
                }
            }
            #expect(try lines(path).sorted() == model.keys.sorted())
            for place in model.values { try file.clear(place) }
            #expect(try lines(path).isEmpty)
        }
    }
}
