import Glibc
package import SystemPackage

/// A small regular file that decides about the service, with the facts of the very file that was read, whatever takes
/// its name meanwhile.
package struct ConfigurationFile: Sendable {
    /// What is in it.
    package let content: [UInt8]
    /// What it was like when it was read.
    package let facts: FileFacts

    /// How long such a file may be where nobody says otherwise, in bytes.
    package static let limit = 1 << 20

    /// Reads the file.
    ///
    /// - Throws: `.read` with `.invalidArgument` for another kind of file, with `.fileTooLarge` for one of more than
    ///   `limit` bytes.
    package init(_ path: FilePath, limit: Int = limit) throws(SystemError) {
        // A FIFO would keep a blocking open(2) waiting for its writer.
        let file = try OwnedDescriptor.open(path, O_RDONLY | O_NONBLOCK)
        facts = try FileFacts.of(file, path: path)
        guard facts.isRegular else { throw SystemError(.read, path, errno: .invalidArgument) }
        // Its size says nothing of a file in procfs, nor of one that grows.
        content = try file.readToEnd(path: path, limit: limit)
    }
}
