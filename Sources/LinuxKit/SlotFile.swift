import CLinux
import Glibc
package import SystemPackage

/// A file of lines that come and go by the thousand, each at a place of its own.
///
/// Problem: a file for each costs the file system an inode, a name and a rename, tens of microseconds; and to rewrite
/// one file of all of them costs as much as there are. Rule: a line has one or more slots, filled up with blanks; a line
/// that is no longer wanted is blanked, and its place is used again. Nothing is ever written over a line that counts,
/// and a full disk, where it can be written over at all, has room for as many lines as it had.
///
/// A line counts if its first slot does not begin with a blank. That slot is written last and blanked first, and by a
/// process that is killed wholly or not at all: it lies within a page, and the kernel looks for signals between pages
/// (`generic_perform_write` in mm/filemap.c). There is no fsync: the lines are of use only until the next boot. Every
/// function blocks.
package struct SlotFile: ~Copyable, Sendable {
    /// Where a line is, in bytes from the beginning of the file, with the newline.
    package struct Place: Sendable, Hashable {
        fileprivate let offset: Int
        fileprivate let length: Int
    }

    /// A slot, in bytes; pages have several.
    private static let slot = 512
    /// A file that is longer, in bytes, is emptied once it has no lines, and is worth replacing when it is mostly blank.
    private static let keptLength = 64 * 1024
    private static let newline = UInt8(ascii: "\n")
    private static let blank = UInt8(ascii: " ")

    package let path: FilePath
    private var descriptor: OwnedDescriptor?
    private var end = 0
    private var lines = 0
    /// The offsets of the blank places, by their length.
    private var blanks: [Int: [Int]] = [:]
    /// Whether every line that was found is in slots.
    private(set) var isInOrder = true
    private var blankLength = 0

    /// - Parameter path: The file, which is made when it is first written or read.
    package init(_ path: FilePath) { self.path = path }

    /// Whether what was found is better replaced: somebody has edited the file, so that not every line is in slots, or
    /// there is little but blanks.
    package var isWorthReplacing: Bool {
        !isInOrder || end > Self.keptLength && blankLength > end / 4 * 3
    }

    /// The length of the place that a line needs: a power of two of slots, so that there are few different ones.
    private static func placeLength(of line: Int) -> Int {
        var length = slot
        while length < line + 1 { length *= 2 }
        return length
    }

    /// The line with what makes it as long as its place.
    private static func fill(_ line: [UInt8]) -> [UInt8] { fill(line, to: placeLength(of: line.count)) }

    private static func fill(_ line: [UInt8], to length: Int) -> [UInt8] {
        var content = [UInt8](repeating: blank, count: length)
        content.replaceSubrange(..<line.count, with: line)
        content[length - 1] = newline
        return content
    }

    /// Writes a line, which has no newline in it and does not begin with a blank.
    ///
    /// - Throws: `.write`, with `.noSuchFileOrDirectory` where somebody has removed or emptied the file.
    package mutating func write(_ line: [UInt8]) throws(SystemError) -> Place {
        if descriptor == nil { try load { (_, _) in } }
        try refuseRemoved()
        let content = Self.fill(line)
        let reused = blanks[content.count]?.popLast()
        let place = Place(offset: reused ?? end, length: content.count)
        do throws(SystemError) {
            try put(content[Self.slot...], at: place.offset + Self.slot)
            try put(content[..<Self.slot], at: place.offset)
        } catch {
            // Without its first slot it is no line, whatever is there of it.
            if let reused { blanks[content.count, default: []].append(reused) } else { try? cut(at: end) }
            throw error
        }
        if reused == nil { end += content.count }
        lines += 1
        return place
    }

    /// Takes a line away.
    package mutating func clear(_ place: Place) throws(SystemError) {
        let blank = Self.fill([], to: place.length)
        let first = min(Self.slot, place.length)
        try put(blank[..<first], at: place.offset)
        // What is left of it is no line; blank, it is not in the way of who reads the file with other tools.
        try? put(blank[first...], at: place.offset + first)
        blanks[place.length, default: []].append(place.offset)
        lines -= 1
        guard lines == 0, end > Self.keptLength else { return }
        do throws(SystemError) {
            try cut(at: 0)
            (end, blanks) = (0, [:])
        } catch {
            // The line is away, and so much room is no error.
        }
    }

    /// Reads every line, without what it was filled up with.
    package mutating func load(_ visit: (Place, [UInt8]) -> Void) throws(SystemError) {
        let file = try OwnedDescriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        descriptor = nil
        (end, lines, blanks, blankLength, isInOrder) = (0, 0, [:], 0, true)
        var rest: [UInt8] = []
        var remains: [Place] = []
        try unsafe file.eachChunk(path: path) { chunk in
            unsafe rest.append(contentsOf: chunk)
            var start = rest.startIndex
            while let newline = rest[start...].firstIndex(of: Self.newline) {
                if let place = found(rest[start..<newline], visit) { remains.append(place) }
                start = newline + 1
            }
            rest.removeFirst(start)
        }
        descriptor = consume file
        // They are no lines either way, but in the way of who reads the file with other tools.
        for place in remains { try? put(Self.fill([], to: place.length)[...], at: place.offset) }
        guard let first = rest.first else { return }
        if first == 0 || rest.allSatisfy({ $0 == Self.blank }) {
            // Its writer was killed, or had no room, before anything came of it.
            try cut(at: end)
        } else {
            // Ours have newlines. An editor's last line may have none.
            _ = found(rest[...], visit)
            isInOrder = false
            try put([Self.newline], at: end - 1)
        }
    }

    /// Takes in what is at the end of what was found before; answers its place if it is what a killed writer has left.
    private mutating func found(_ line: ArraySlice<UInt8>, _ visit: (Place, [UInt8]) -> Void) -> Place? {
        let place = Place(offset: end, length: line.count + 1)
        end += place.length
        let isInSlots = place.offset % Self.slot == 0 && Self.placeLength(of: line.count) == place.length
        if !isInSlots { isInOrder = false }
        // Outside of slots a line is an editor's, which may be indented.
        let counts = line.first.map { !Self.isBlank($0) || $0 == Self.blank && !isInSlots } ?? false
        if counts, let last = line.lastIndex(where: { $0 != Self.blank }) {
            lines += 1
            visit(place, Array(line[...last]))
            return nil
        }
        blankLength += place.length
        guard isInSlots else { return nil }
        blanks[place.length, default: []].append(place.offset)
        return line.allSatisfy({ $0 == Self.blank }) ? nil : place
    }

    /// Whether no line begins with it: what a file is extended by has NULs where nothing was written.
    private static func isBlank(_ byte: UInt8) -> Bool { byte == blank || byte == 0 }

    /// Replaces the file by one that has these lines in slots; answers their places, nil where there is no room for it
    /// and everything is as it was.
    package mutating func replace(with lines: [[UInt8]]) throws(SystemError) -> [Place]? {
        do throws(SystemError) {
            try FileSystem.replace(path, with: lines.flatMap(Self.fill))
        } catch {
            return nil
        }
        var places: [Place] = []
        try load { (place, _) in places.append(place) }
        return places
    }

    /// Writes a line to the end of the file's sibling for what cannot be read; answers the sibling.
    package func setAside(_ line: [UInt8]) throws(SystemError) -> FilePath {
        let sibling = FilePath(path.string + ".unreadable")
        try OwnedDescriptor.open(sibling, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, mode: 0o600)
            .writeAll(line + [Self.newline], path: sibling)
        return sibling
    }

    private mutating func put(_ content: ArraySlice<UInt8>, at offset: Int) throws(SystemError) {
        let rawValue = try rawValue()
        var written = 0
        while written < content.count {
            written += Int(
                try call(.write, path) {
                    unsafe content.withUnsafeBytes { buffer in
                        unsafe clinux_write_at(
                            rawValue, buffer.baseAddress?.advanced(by: written), buffer.count - written,
                            Int64(offset + written))
                    }
                })
        }
    }

    private mutating func cut(at offset: Int) throws(SystemError) {
        let rawValue = try rawValue()
        try call(.write, path) { clinux_truncate(rawValue, Int64(offset)) }
    }

    /// What is written into a file without a name is lost, and behind the end it would begin with NULs.
    private mutating func refuseRemoved() throws(SystemError) {
        let rawValue = try rawValue()
        guard try call(.write, path, { clinux_is_there(rawValue, Int64(end)) }) > 0 else {
            throw SystemError(.write, path, errno: .noSuchFileOrDirectory)
        }
    }

    private mutating func rawValue() throws(SystemError) -> CInt {
        guard let rawValue = descriptor?.rawValue else { throw SystemError(.write, path, errno: .badFileDescriptor) }
        return rawValue
    }
}
