package import LinuxKit
package import SystemPackage

/// The attachments of this host, one file each, where libcni keeps them: `results/NETWORK-CONTAINER-INTERFACE` in the
/// cache directory. Every function but ``state`` blocks.
package struct AttachmentCache: Sendable {
    private let directory: FilePath

    /// - Parameter directory: The cache directory, such as /var/lib/cni.
    package init(directory: FilePath) {
        self.directory = directory.appending("results")
    }

    /// How long a file may be, in bytes: a configuration in base64 and a plugin's output fit.
    private static let longest = 4 << 20

    /// The end of the name of a file that is being written.
    private static let temporarySuffix = Array(".tmp~".utf8)

    /// Another value whenever a file has come or gone: when the directory was last changed, nil where there is none. It
    /// takes one stat(2) of a directory, and so does not block.
    package var state: Int64? { try? FileSystem.lastChange(of: directory) }

    /// Every attachment that there is, the one that was written last at the end. What cannot be read is no attachment.
    package func all() throws(SystemError) -> [Attachment] {
        let names: [[UInt8]]
        do throws(SystemError) {
            names = try FileSystem.names(in: directory)
        } catch  where error.errno == .noSuchFileOrDirectory {
            return []
        }
        return names.compactMap { name in
            guard !name.reversed().starts(with: Self.temporarySuffix.reversed()) else { return nil }
            return read(directory.entry(name))
        }.sorted { ($0.modified, $0.key.id) < ($1.modified, $1.key.id) }
    }

    /// The attachment of that id; nil when there is none.
    package func attachment(_ id: String) -> Attachment? {
        guard Self.isFileName(id), let attachment = read(directory.entry(Array(id.utf8))) else { return nil }
        return attachment.key.id == id ? attachment : nil
    }

    /// A file that vanishes meanwhile, or is no attachment's, is none; what is broken here is broken for libcni, too.
    private func read(_ path: FilePath) -> Attachment? {
        guard let file = try? ConfigurationFile(path, limit: Self.longest) else { return nil }
        return Attachment(parsing: file.content, modified: file.facts.modified)
    }

    /// Writes or replaces an attachment's file, wholly or not at all; only root may read it, as libcni has it.
    func save(_ attachment: Attachment) throws(SystemError) {
        try FileSystem.makeDirectory(directory, mode: 0o700)
        try FileSystem.replace(path(of: attachment.key), with: attachment.text)
    }

    /// Removes an attachment's file, if there is one.
    func remove(_ key: AttachmentKey) throws(SystemError) {
        try FileSystem.unlink(path(of: key))
    }

    private func path(of key: AttachmentKey) -> FilePath { directory.entry(Array(key.id.utf8)) }

    /// Whether it can be a file's name, with room for the end of a temporary one.
    package static func isFileName(_ id: String) -> Bool {
        (1...250).contains(id.utf8.count) && id != "." && id != ".."
            && !id.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }
}
