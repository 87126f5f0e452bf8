import LinuxKit

/// Parses the input as mountinfo; each mount has what a line of the documented form has, and no line makes another's.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMountInfo(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let mounts = MountInfo(parsing: input).mounts
    precondition(mounts.count <= input.split(separator: UInt8(ascii: "\n")).count, "more mounts than lines")
    let known = Array("\n43 42 0:4 net:[4026532185] /run/netns/t1 rw shared:8 - nsfs nsfs rw\n".utf8)
    let more = MountInfo(parsing: input + known).mounts
    precondition(more.dropLast() == mounts[...], "a line after it changes what was read before")
    guard let last = more.last else { preconditionFailure("a line after it is not read") }
    precondition(last.id == 43 && last.peerGroup == 8 && last.mountPoint == Array("/run/netns/t1".utf8))
    return 0
}
