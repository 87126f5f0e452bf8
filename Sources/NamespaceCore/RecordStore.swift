package import LinuxKit
package import SystemPackage

/// The records, one file each, `namespaces/NAME.json` in the state directory. Every function blocks: call it from a worker.
package struct RecordStore: Sendable {
    private let directory: FilePath
    private let files: RecycledFiles
    /// No record is longer, in bytes.
    private static let longest = 64 * 1024
    private static let suffix = ".json"
    private static let setAsideSuffix = ".unreadable"

    /// - Parameter directory: The state directory.
    package init(directory: FilePath) throws(SystemError) {
        self.directory = directory.appending("namespaces")
        try FileSystem.makeDirectory(self.directory, mode: 0o700)
        files = try RecycledFiles(spareDirectory: directory.appending("spare"))
    }

    /// Writes or replaces a record, wholly or not at all.
    package func save(_ record: NamespaceRecord, for name: NamespaceName) throws(SystemError) {
        try files.replace(path(of: name), with: record.text)
    }

    /// Removes a record, if there is one.
    package func remove(_ name: NamespaceName) throws(SystemError) {
        guard name.isCreatable else { return }  // We make no records of other names.
        try files.remove(path(of: name), size: Self.longest)
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
        for file in try FileSystem.names(in: directory) {
            let path = directory.entry(file)
            let text = String(decoding: file, as: UTF8.self)
            if text.hasSuffix(Self.suffix) {
                let name = NamespaceName(bytes: Array(text.dropLast(Self.suffix.count).utf8))
                if let name, let record = Self.record(at: path) {
                    if record.bootID == bootID {
                        contents.records[name] = record
                    } else {
                        try FileSystem.unlink(path)
                    }
                } else {
                    try FileSystem.rename(path, to: FilePath(path.string + Self.setAsideSuffix))
                    contents.setAside.append(path)
                }
            }
        }
        return contents
    }

    private static func record(at path: FilePath) -> NamespaceRecord? {
        guard let content = try? FileSystem.read(path) else { return nil }
        return NamespaceRecord(text: content)
    }

    /// Only names that we create have records, and those are plain file names.
    private func path(of name: NamespaceName) -> FilePath {
        directory.entry(name.bytes + Array(Self.suffix.utf8))
    }
}
