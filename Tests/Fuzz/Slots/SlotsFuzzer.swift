import Glibc
import LinuxKit
import SystemPackage

/// In memory, and of this process alone.
private let path = FilePath("/dev/shm/netnsd-fuzz-\(getpid())")

private func lines(_ file: inout SlotFile) throws(SystemError) -> [(place: SlotFile.Place, line: [UInt8])] {
    var found: [(place: SlotFile.Place, line: [UInt8])] = []
    try file.load { (place, line) in found.append((place, line)) }
    return found
}

/// Lines that a new one can be written among, as ``SlotFile/write(_:)`` wants them.
private func areWritable(_ lines: [[UInt8]]) -> Bool {
    lines.allSatisfy { $0.first.map { $0 != UInt8(ascii: " ") && $0 != 0 } ?? false }
}

private func check(_ input: [UInt8]) throws(SystemError) {
    defer { unlink(path.string) }
    try FileSystem.replace(path, with: input)
    var file = SlotFile(path)
    let before = try lines(&file).map(\.line)
    precondition(before.allSatisfy { !$0.contains(UInt8(ascii: "\n")) && $0.last != UInt8(ascii: " ") })
    var again = SlotFile(path)
    let same = try lines(&again).map(\.line)
    precondition(same == before, "other lines when read again")
    guard areWritable(before) else { return }
    if file.isWorthReplacing {
        let places = try file.replace(with: before)
        precondition(places?.count == before.count, "not replaced line for line")
        precondition(!file.isWorthReplacing, "not in order after that")
    }
    let added = Array("{\"added\":true}".utf8)
    _ = try file.write(added)
    var after = SlotFile(path)
    let found = try lines(&after)
    precondition(found.count == before.count + 1 && found.contains { $0.line == added }, "not added")
    precondition(
        found.map(\.line).filter { $0 != added } == before.filter { $0 != added }, "others are not as they were")
    for (place, _) in found { try after.clear(place) }
    var last = SlotFile(path)
    let left = try lines(&last)
    precondition(left.isEmpty, "not cleared")
}

/// Reads the input as a file of lines, adds one and takes all away: the others stay as they are until then.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzSlots(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do throws(SystemError) {
        try check(Array(UnsafeBufferPointer(start: start, count: count)))
    } catch {
        preconditionFailure("\(error)")
    }
    return 0
}
