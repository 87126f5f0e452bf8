import LinuxKit
import SystemPackage

/// The records as netnsd kept them before ``RecordStore`` had one file: `namespaces/NAME.json` in the state directory,
/// beside spare files in `spare`. A daemon may be replaced by a newer one without a reboot.
struct RecordFiles {
    private let directory: FilePath
    private let spares: FilePath
    private static let suffix = ".json"

    init(stateDirectory: FilePath) {
        directory = stateDirectory.appending("namespaces")
        spares = stateDirectory.appending("spare")
    }

    /// The records' files; none where there is no directory of them.
    func paths() throws(SystemError) -> [FilePath] {
        try Self.names(in: directory).filter { $0.reversed().starts(with: Self.suffix.utf8.reversed()) }
            .map(directory.entry)
    }

    /// nil for a file that is no record, or cannot be read.
    func read(_ path: FilePath) -> (name: NamespaceName, record: NamespaceRecord)? {
        guard let content = try? FileSystem.read(path), let (name, record, _) = NamespaceRecord.parse(content) else {
            return nil
        }
        return directory.appending("\(name.pathSegment)\(Self.suffix)") == path ? (name, record) : nil
    }

    /// Renames a file so that it is not read again; answers its new path.
    func setAside(_ path: FilePath) throws(SystemError) -> FilePath {
        let other = FilePath(path.string + ".unreadable")
        try FileSystem.rename(path, to: other)
        return other
    }

    /// Removes the spare files, which may be all the room that a full disk has.
    func removeSpares() throws(SystemError) {
        // What is none of ours there stays.
        for name in try Self.names(in: spares) { _ = try? FileSystem.unlink(spares.entry(name)) }
        try FileSystem.removeEmptyDirectory(spares)
    }

    /// Removes the directory, unless something is set aside in it.
    func removeDirectory() throws(SystemError) {
        try FileSystem.removeEmptyDirectory(directory)
    }

    private static func names(in directory: FilePath) throws(SystemError) -> [[UInt8]] {
        do throws(SystemError) {
            return try FileSystem.names(in: directory)
        } catch  where error.errno == .noSuchFileOrDirectory {
            return []
        }
    }
}
