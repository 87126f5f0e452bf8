package import LinuxKit
package import SystemPackage

/// Which atomic batches are under way: an empty file each, `batches/ID` in the state directory, made before the first
/// namespace and removed when all of them are there. The removal is what commits the batch: a start that finds the file
/// undoes whatever the batch had made. Every function blocks: call it from a worker.
package struct BatchJournal: Sendable {
    private let directory: FilePath

    /// - Parameter directory: The state directory.
    package init(directory: FilePath) throws(SystemError) {
        self.directory = directory.appending("batches")
        try FileSystem.makeDirectory(self.directory, mode: 0o700)
    }

    func begin(_ batch: String) throws(SystemError) {
        try FileSystem.replace(directory.appending(batch), with: [])
    }

    func end(_ batch: String) throws(SystemError) {
        try FileSystem.unlink(directory.appending(batch), as: .removeRecord)
    }

    /// The batches that were interrupted.
    func unfinished() throws(SystemError) -> Set<String> {
        Set(try FileSystem.names(in: directory).map { String(decoding: $0, as: UTF8.self) })
    }
}
