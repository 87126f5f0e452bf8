import CLinux
import Glibc
package import SystemPackage

/// What stat(2) says of a file: enough to tell that its content is another than before, and who may read it.
package struct FileFacts: Sendable, Equatable {
    package let device: UInt64
    package let inode: UInt64
    package let size: UInt64
    /// In nanoseconds since 1970; of the content, and of the content or the inode.
    package let modified: Int64
    package let changed: Int64
    /// The user who owns it.
    package let owner: UInt32
    /// The mode without the file's type, such as 0o600.
    package let permissions: UInt32
    package let isRegular: Bool

    private init(_ file: clinux_file) {
        device = file.device
        inode = file.inode
        size = file.size
        modified = file.modified
        changed = file.changed
        owner = file.owner
        permissions = file.permissions
        isRegular = file.is_regular
    }

    /// Whether others than the owner can read it.
    package var isReadableByOthers: Bool { permissions & 0o044 != 0 }
    /// Whether others than the owner can write to it.
    package var isWritableByOthers: Bool { permissions & 0o022 != 0 }
    /// Whether nobody but root and the user this process runs as decides about the content.
    package var isOursAlone: Bool { permissions & 0o077 == 0 && (owner == 0 || owner == geteuid()) }

    /// The file at `path`, a symbolic link followed.
    package static func at(_ path: FilePath) throws(SystemError) -> FileFacts {
        var file = clinux_file()
        try call(.stat, path) { unsafe path.withPlatformString { unsafe clinux_file_at($0, &file) } }
        return FileFacts(file)
    }

    /// The file that is open; `path` is for the error only.
    static func of(_ descriptor: borrowing OwnedDescriptor, path: FilePath) throws(SystemError) -> FileFacts {
        var file = clinux_file()
        let rawValue = descriptor.rawValue
        try call(.fstat, path) { unsafe clinux_file_of(rawValue, &file) }
        return FileFacts(file)
    }
}
