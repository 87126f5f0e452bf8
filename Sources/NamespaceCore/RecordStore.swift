package import LinuxKit
package import SystemPackage

/// The records, one file each, `namespaces/NAME.json` in the state directory, NAME percent-encoded as in a URL. Every
/// function blocks: call it from a worker.
///
/// The deletion of a namespace without a record is marked by an empty file, `deletions/NAME.json`, while it is under
/// way: a start then knows that the file left of it is to go.
package struct RecordStore: Sendable {
    private let directory: FilePath
    private let deletions: FilePath
    private let files: RecycledFiles
    /// No record is longer, in bytes.
    private static let longest = 64 * 1024
    private static let suffix = ".json"
    private static let setAsideSuffix = ".unreadable"
    /// What a file's name has room for, `.unreadable` included, in bytes.
    private static let longestName = 200

    /// - Parameter directory: The state directory.
    package init(directory: FilePath) throws(SystemError) {
        self.directory = directory.appending("namespaces")
        try FileSystem.makeDirectory(self.directory, mode: 0o700)
        deletions = directory.appending("deletions")
        try FileSystem.makeDirectory(deletions, mode: 0o700)
        files = try RecycledFiles(spareDirectory: directory.appending("spare"))
    }

    /// Whether there can be a record of such a name; percent-encoding can make it too long for a file's.
    static func canHold(_ name: NamespaceName) -> Bool { name.pathSegment.utf8.count <= longestName }

    /// Writes or replaces a record, wholly or not at all.
    package func save(_ record: NamespaceRecord, for name: NamespaceName) throws(SystemError) {
        try files.replace(path(of: name), with: record.text(for: name))
    }

    /// Removes a record, if there is one.
    package func remove(_ name: NamespaceName) throws(SystemError) {
        guard Self.canHold(name) else { return }
        try files.remove(path(of: name), size: Self.longest)
    }

    func markDeletion(of name: NamespaceName) throws(SystemError) {
        try FileSystem.replace(path(of: name, in: deletions), with: [])
    }

    func unmarkDeletion(of name: NamespaceName) throws(SystemError) {
        try FileSystem.unlink(path(of: name, in: deletions), as: .removeRecord)
    }

    /// The names whose deletion was interrupted.
    func interruptedDeletions() throws(SystemError) -> [NamespaceName] {
        var names: [NamespaceName] = []
        for file in try FileSystem.names(in: deletions) {
            let segment = String(decoding: file.dropLast(Self.suffix.utf8.count), as: UTF8.self)
            if let name = NamespaceName(pathSegment: segment), path(of: name, in: deletions) == deletions.entry(file) {
                names.append(name)
            } else {
                // The temporary file of a mark: nothing had begun.
                try FileSystem.unlink(deletions.entry(file))
            }
        }
        return names
    }

    /// Does a little of what makes the next ``save(_:for:)`` cheap; false says that there is nothing to do.
    package func restock() -> Bool { files.restock() }

    /// What ``load(bootID:)`` found.
    package struct Contents: Sendable {
        package var records: [NamespaceName: NamespaceRecord] = [:]
        /// Files that could not be read as records, and were renamed so that they are not tried again.
        package var setAside: [FilePath] = []
    }

    /// Reads every record of this boot. Records of earlier boots are removed; what cannot be read is set aside.
    package func load(bootID: String) throws(SystemError) -> Contents {
        try files.clear()
        var contents = Contents()
        for file in try FileSystem.names(in: directory) where file.reversed().starts(with: Self.suffix.utf8.reversed())
        {
            let path = directory.entry(file)
            guard let content = try? FileSystem.read(path), let (name, record) = NamespaceRecord.parse(content),
                self.path(of: name) == path
            else {
                try FileSystem.rename(path, to: FilePath(path.string + Self.setAsideSuffix))
                contents.setAside.append(path)
                continue
            }
            if record.bootID == bootID {
                contents.records[name] = record
            } else {
                try FileSystem.unlink(path)
            }
        }
        return contents
    }

    private func path(of name: NamespaceName, in directory: FilePath? = nil) -> FilePath {
        (directory ?? self.directory).appending("\(name.pathSegment)\(Self.suffix)")
    }
}
