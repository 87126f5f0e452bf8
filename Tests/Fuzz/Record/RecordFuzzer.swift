import LinuxKit
import NamespaceCore

/// Reads the input as the line of a record; what it says can be shown, reckoned with and written as it was.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRecord(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    guard let (name, record, sequence) = NamespaceRecord.parse(input) else { return 0 }
    precondition(record.createdAt.description.utf8.count == 24, "no RFC 3339: \(record.createdAt)")
    let text = record.text(for: name, sequence: sequence)
    precondition(!text.contains(UInt8(ascii: "\n")), "more than a line")
    guard let (sameName, same, sameSequence) = NamespaceRecord.parse(text) else {
        preconditionFailure("not read again")
    }
    precondition(sameName == name && same == record && sameSequence == sequence, "another record when read again")
    var changed = record
    changed.version += 1
    if let lease = record.lease { changed.lease = Lease(seconds: lease.seconds, from: lease.deadline) }
    precondition(!changed.text(for: name).isEmpty)
    return 0
}
