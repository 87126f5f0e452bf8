import Glibc
package import SystemPackage

/// A small regular file that an operator has written, with the permissions it had when it was read.
package struct ConfigurationFile: Sendable {
    /// What is in it.
    package let content: [UInt8]
    /// The permission bits of its mode.
    package let permissions: UInt32

    /// How long such a file may be, in bytes.
    private static let limit: Int64 = 1 << 20

    /// Reads the file; mode and content are of the same one, whatever takes its name meanwhile.
    package init(_ path: FilePath) throws(SystemError) {
        // A FIFO would keep a blocking open(2) waiting for its writer.
        let file = try OwnedDescriptor.open(path, O_RDONLY | O_NONBLOCK)
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else {
            throw SystemError(.fstat, path, errno: Errno(rawValue: Glibc.errno))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw SystemError(.open, path, errno: .invalidArgument) }
        guard status.st_size <= Self.limit else { throw SystemError(.read, path, errno: .fileTooLarge) }
        content = try file.readToEnd(path: path)
        permissions = UInt32(status.st_mode & 0o7777)
    }

    /// Whether others than the owner can read it.
    package var isReadableByOthers: Bool { permissions & 0o044 != 0 }
    /// Whether others than the owner can write to it.
    package var isWritableByOthers: Bool { permissions & 0o022 != 0 }
}
