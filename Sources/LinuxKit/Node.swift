import CLinux
package import SystemPackage

/// What statx(2) says of a file: its identity, and the mount it is seen through.
package struct Node: Sendable, Equatable {
    package let device: UInt64
    package let inode: UInt64
    /// The mount's id; never reused while the host is up from Linux 6.8 on (`STATX_MNT_ID_UNIQUE`).
    package let mountID: UInt64
    package let isMountRoot: Bool
    package let isDirectory: Bool

    private init(_ node: clinux_node) {
        device = node.device
        inode = node.inode
        mountID = node.mount_id
        isMountRoot = node.is_mount_root
        isDirectory = node.is_directory
    }

    /// The file at `path`; a symbolic link at its end is followed unless `following` is false.
    package static func at(_ path: FilePath, following: Bool = true) throws(SystemError) -> Node {
        var node = clinux_node()
        try call(.statx, path) { unsafe path.withPlatformString { unsafe clinux_node_at($0, following, &node) } }
        return Node(node)
    }

    /// The file behind an open descriptor; `path` is for the error only.
    static func of(_ descriptor: borrowing OwnedDescriptor, path: FilePath) throws(SystemError) -> Node {
        var node = clinux_node()
        let rawValue = descriptor.rawValue
        try call(.statx, path) { unsafe clinux_node_of(rawValue, &node) }
        return Node(node)
    }

    /// Whether nsfs, the file system of namespaces, is mounted at `path`: then the file is a namespace, not a plain
    /// file.
    static func isNamespace(_ path: FilePath) throws(SystemError) -> Bool {
        var magic: Int64 = 0
        try call(.statfs, path) { unsafe path.withPlatformString { unsafe clinux_filesystem_magic($0, &magic) } }
        return magic == clinux_nsfs_magic
    }
}
