package import SystemPackage

/// One mount, as `/proc/PID/mountinfo` shows it (proc_pid_mountinfo(5)).
package struct Mount: Sendable, Equatable {
    package let id: Int
    /// The root of the mount within its file system; for a namespace file, such as `net:[4026532185]`.
    package let root: [UInt8]
    package let mountPoint: [UInt8]
    package let fileSystemType: [UInt8]
    /// The peer group this mount is a member of, nil unless it is shared.
    package let peerGroup: Int?
    /// The peer group this mount receives from, nil unless it is a slave.
    package let masterPeerGroup: Int?
}

/// The mounts of one mount namespace, in the kernel's order: a later mount of a path hides an earlier one.
///
/// Costs milliseconds at thousands of mounts: read it at the start and on doubt, never for a request's hot path.
package struct MountInfo: Sendable {
    package let mounts: [Mount]

    /// Reads the mounts that process `process` sees, `self` for our own.
    package static func read(process: String = "self") throws(SystemError) -> MountInfo {
        MountInfo(parsing: try FileSystem.read(FilePath("/proc/\(process)/mountinfo")))
    }

    /// Lines that do not have the documented form are left out.
    package init(parsing content: [UInt8]) {
        mounts = content.split(separator: UInt8(ascii: "\n")).compactMap(Mount.init(line:))
    }

    /// The mounts of `path` itself, bottom first. `path` is a resolved one.
    package func mounts(of path: FilePath) -> [Mount] {
        let bytes = Array(path.string.utf8)
        return mounts.filter { $0.mountPoint == bytes }
    }
}

extension Mount {
    /// `36 35 98:0 /root /point options [optional fields …] - type source super-options`
    fileprivate init?(line: ArraySlice<UInt8>) {
        let fields = line.split(separator: UInt8(ascii: " "))
        guard let separator = fields.firstIndex(where: { $0.elementsEqual("-".utf8) }), separator >= 6,
            fields.count > separator + 1, let id = Self.number(fields[0])
        else { return nil }
        self.id = id
        root = Self.unescaped(fields[3])
        mountPoint = Self.unescaped(fields[4])
        fileSystemType = Array(fields[separator + 1])
        let optional = fields[6..<separator]
        peerGroup = Self.tag("shared:", in: optional)
        masterPeerGroup = Self.tag("master:", in: optional)
    }

    private static func tag(_ name: StaticString, in fields: ArraySlice<ArraySlice<UInt8>>) -> Int? {
        let prefix = Array("\(name)".utf8)
        return fields.first { $0.starts(with: prefix) }.flatMap { number($0.dropFirst(prefix.count)) }
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        Int(String(decoding: digits, as: UTF8.self))
    }

    /// Undoes the kernel's `\040` form of space, tab, newline and backslash.
    private static func unescaped(_ field: ArraySlice<UInt8>) -> [UInt8] {
        guard field.contains(UInt8(ascii: "\\")) else { return Array(field) }
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            let octal = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), octal.count == 3,
                let value = UInt8(String(decoding: octal, as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}
