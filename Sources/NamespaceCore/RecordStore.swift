import FoundationEssentials
package import LinuxKit
package import SystemPackage

/// The records, one file each, `NAME.json` in a directory of their own. Every function blocks: call it from a worker.
package struct RecordStore: Sendable {
    private let directory: FilePath
    private static let suffix = ".json"
    private static let setAsideSuffix = ".unreadable"

    /// Creates the directory where it is missing.
    package init(directory: FilePath) throws(SystemError) {
        self.directory = directory
        try FileSystem.makeDirectory(directory, mode: 0o700)
    }

    /// Writes or replaces a record, wholly or not at all.
    package func save(_ record: NamespaceRecord, for name: NamespaceName) throws(SystemError) {
        let path = path(of: name)
        let content: Data
        do {
            content = try JSONEncoder().encode(record)
        } catch {
            // No record holds a value JSON has no form for; should one ever, it must not pass for saved.
            throw SystemError(.write, path, errno: .invalidArgument)
        }
        try FileSystem.replace(path, with: Array(content))
    }

    /// Removes a record, if there is one.
    package func remove(_ name: NamespaceName) throws(SystemError) {
        guard name.isCreatable else { return }  // We make no records of other names.
        try FileSystem.unlink(path(of: name), as: .removeRecord)
    }

    /// What ``load(bootID:)`` found.
    package struct Contents: Sendable {
        package var records: [NamespaceName: NamespaceRecord] = [:]
        /// Files that could not be read as records, and were renamed so that they are not tried again.
        package var setAside: [FilePath] = []
    }

    /// Reads every record of this boot. Records of earlier boots and half-written files are removed; what cannot be
    /// read is set aside.
    package func load(bootID: String) throws(SystemError) -> Contents {
        var contents = Contents()
        for file in try FileSystem.names(in: directory) {
            let path = directory.entry(file)
            let text = String(decoding: file, as: UTF8.self)
            if text.hasSuffix(FileSystem.temporarySuffix) {
                try FileSystem.unlink(path)
            } else if text.hasSuffix(Self.suffix) {
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
        return try? JSONDecoder().decode(NamespaceRecord.self, from: Data(content))
    }

    /// Only names that we create have records, and those are plain file names.
    private func path(of name: NamespaceName) -> FilePath {
        directory.entry(name.bytes + Array(Self.suffix.utf8))
    }
}
