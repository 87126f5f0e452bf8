import CLinux
import Glibc
import Synchronization
package import SystemPackage

/// Small files that come and go by the thousand: replaced by renaming, and their inodes used again.
///
/// Problem: a file's creation is the dearest part of a record on disk file systems; ext4 searches for a free inode, and
/// passes over each one freed in the last minutes, up to half a millisecond long. Rule: a file that is no longer wanted
/// is renamed to a spare name, and the next one that is wanted is written into a spare and renamed from it, which is
/// what a replacement by rename does anyway. The spares have a directory of their own.
package final class RecycledFiles: Sendable {
    /// Spares kept at most, and made in advance by ``restock()``; each is an inode and a block.
    private static let mostSpares = 512

    private struct State {
        var spares: [(path: FilePath, size: Int)] = []
        var count = 0
        var isCleared = false
    }

    private let state = Mutex(State())
    private let directory: FilePath

    /// - Parameter directory: Where the spares are kept, on the file system of the files themselves. Created where it
    ///   is missing.
    package init(spareDirectory directory: FilePath) throws(SystemError) {
        self.directory = directory
        try FileSystem.makeDirectory(directory, mode: 0o700)
    }

    /// Removes the spares that an earlier process left behind. Until then none are made: they would be taken for those.
    package func clear() throws(SystemError) {
        for name in try FileSystem.names(in: directory) { try FileSystem.unlink(directory.entry(name)) }
        state.withLock { $0.isCleared = true }
    }

    /// Replaces the file `path` by one with `content`, wholly or not at all.
    ///
    /// There is no fsync: the files are of use only until the next boot.
    package func replace(_ path: FilePath, with content: [UInt8]) throws(SystemError) {
        let spare = state.withLock { $0.spares.popLast() } ?? (path: newName(), size: 0)
        do throws(SystemError) {
            let file = try OwnedDescriptor.open(spare.path, O_WRONLY | O_CREAT | O_NOFOLLOW, mode: 0o600)
            try file.writeAll(content, path: spare.path)
            if spare.size > content.count { try file.truncate(to: content.count, path: spare.path) }
            try FileSystem.rename(spare.path, to: path)
        } catch {
            _ = unsafe spare.path.withPlatformString { unsafe clinux_unlink($0) }
            throw error
        }
    }

    /// Removes the file `path`, if it is there.
    ///
    /// - Parameter size: An upper bound of its size in bytes.
    package func remove(_ path: FilePath, size: Int) throws(SystemError) {
        guard state.withLock({ $0.spares.count < Self.mostSpares }) else {
            try FileSystem.unlink(path, as: .removeRecord)
            return
        }
        let spare = newName()
        do throws(SystemError) {
            try FileSystem.rename(path, to: spare, as: .removeRecord)
        } catch  where error.errno == .noSuchFileOrDirectory {
            // There is no such file, or the spares' directory is gone.
            try FileSystem.unlink(path, as: .removeRecord)
            return
        }
        state.withLock { $0.spares.append((spare, size)) }
    }

    /// Makes some of the spares that a burst of creations is likely to want; false says that there are enough, or that
    /// it is too early. Failing to is no error: the file is then made when it is wanted.
    package func restock() -> Bool {
        for _ in 0..<4 {
            guard state.withLock({ $0.isCleared && $0.spares.count < Self.mostSpares }) else { return false }
            let spare = newName()
            guard (try? OwnedDescriptor.open(spare, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)) != nil else {
                return false
            }
            state.withLock { $0.spares.append((spare, 0)) }
        }
        return true
    }

    private func newName() -> FilePath {
        let number = state.withLock { state in
            state.count += 1
            return state.count
        }
        return directory.appending("\(number)")
    }
}
