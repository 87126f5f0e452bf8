import CLinux
import Glibc
package import SystemPackage

/// Blocking file operations with typed errors. Call them from a worker or before the service starts, never from the
/// cooperative pool.
package enum FileSystem {
    /// Reads a whole file; right for procfs too, whose sizes are not known in advance.
    package static func read(_ path: FilePath) throws(SystemError) -> [UInt8] {
        try OwnedDescriptor.open(path, O_RDONLY).readToEnd(path: path)
    }

    /// Replaces `path` by a file with `content`: writes a temporary sibling and renames it, so that a reader, or a
    /// daemon restarted after a crash, sees the old content or the new, never a part.
    ///
    /// - Parameters:
    ///   - temporary: The temporary file, where it is not to be a sibling; of the same file system.
    ///   - mode: The file's mode whatever the umask; nil for 0600 at most.
    ///   - isDurable: Whether it is to outlast the host's power (fsync(2)); most files here are of use only until the
    ///     next boot.
    package static func replace(
        _ path: FilePath, with content: [UInt8], by temporary: FilePath? = nil, mode: CUnsignedInt? = nil,
        isDurable: Bool = false
    ) throws(SystemError) {
        let temporary = temporary ?? FilePath(path.string + ".tmp~")
        do throws(SystemError) {
            let file = try OwnedDescriptor.open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
            if let mode { try file.changeMode(to: mode, path: temporary) }
            try file.writeAll(content, path: temporary)
            if isDurable { try file.sync(path: temporary) }
            try rename(temporary, to: path)
        } catch {
            _ = unsafe temporary.withPlatformString { unsafe clinux_unlink($0) }
            throw error
        }
    }

    /// Makes a new file with `content`. Who reads it after a crash may find a part of it.
    package static func write(_ path: FilePath, _ content: [UInt8]) throws(SystemError) {
        let file = try OwnedDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
        try file.writeAll(content, path: path)
    }

    package static func rename(
        _ path: FilePath, to other: FilePath, as operation: SystemError.Operation = .rename
    ) throws(SystemError) {
        try call(operation, path) {
            unsafe path.withPlatformString { from in
                unsafe other.withPlatformString { to in unsafe clinux_rename(from, to) }
            }
        }
    }

    /// Runs `body` while no other process does so with the same directory (flock(2)); blocks while one does.
    package static func locking<Value>(
        _ directory: FilePath, _ body: () throws(SystemError) -> Value
    ) throws(SystemError) -> Value {
        let lock = try OwnedDescriptor.open(directory, O_RDONLY | O_DIRECTORY)
        let rawValue = lock.rawValue
        try call(.flock, directory) { clinux_flock(rawValue, LOCK_EX) }
        defer { _ = clinux_flock(lock.rawValue, LOCK_UN) }
        return try body()
    }

    /// How large the file system of `path` is, nil where it does not say, and what a file's content is rounded up to in
    /// it; both in bytes, by statvfs(3).
    package static func space(at path: FilePath) throws(SystemError) -> (total: Int?, block: Int) {
        var facts = statvfs()
        try call(.statfs, path) { unsafe path.withPlatformString { unsafe statvfs($0, &facts) == 0 ? 0 : -errno } }
        let (total, isTooLarge) = facts.f_blocks.multipliedReportingOverflow(by: facts.f_frsize)
        // A tmpfs without a limit has no blocks.
        let isKnown = !isTooLarge && total > 0 && total < Int.max
        return (isKnown ? Int(total) : nil, max(1, Int(clamping: facts.f_frsize)))
    }

    /// When the file or directory was last changed, its content or what the kernel knows of it, in nanoseconds since
    /// 1970.
    package static func lastChange(of path: FilePath) throws(SystemError) -> Int64 {
        let facts = try FileFacts.at(path)
        return max(facts.modified, facts.changed)
    }

    /// Unlinks `path`; answers false when there was nothing to unlink.
    @discardableResult
    package static func unlink(
        _ path: FilePath, as operation: SystemError.Operation = .unlink
    ) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try call(operation, path) { unsafe path.withPlatformString { unsafe clinux_unlink($0) } }
            return true
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        }
    }

    /// Creates an empty file (mknod(2)), without opening it.
    ///
    /// - Throws: `.createFile` with `.fileExists` for whatever has the name, be it a link to nowhere.
    static func makeFile(_ path: FilePath, mode: CUnsignedInt) throws(SystemError) {
        try call(.createFile, path) { unsafe path.withPlatformString { unsafe clinux_make_file($0, mode) } }
    }

    /// Creates a directory and its missing parents, as `mkdir -p` does.
    package static func makeDirectory(_ path: FilePath, mode: CUnsignedInt = 0o755) throws(SystemError) {
        do throws(SystemError) {
            try call(.mkdir, path) { unsafe path.withPlatformString { unsafe clinux_make_directory($0, mode) } }
        } catch {
            switch error.errno {
            case .fileExists where try Node.at(path).isDirectory:
                return
            case .noSuchFileOrDirectory where path.removingLastComponent() != path:
                try makeDirectory(path.removingLastComponent(), mode: mode)
                try makeDirectory(path, mode: mode)
            default:
                throw error
            }
        }
    }

    /// Creates a directory, its missing parents and, where it was missing itself, gives it the mode whatever the umask.
    package static func makeDirectory(_ path: FilePath, withMode mode: CUnsignedInt) throws(SystemError) {
        do throws(SystemError) {
            guard try !Node.at(path).isDirectory else { return }
        } catch  where error.errno != .noSuchFileOrDirectory {
            throw error
        } catch {}
        try makeDirectory(path, mode: mode)
        try OwnedDescriptor.open(path, O_RDONLY | O_DIRECTORY).changeMode(to: mode, path: path)
    }

    /// Removes a directory that is empty (rmdir(2)); answers false for one that is not, or not there.
    @discardableResult
    package static func removeEmptyDirectory(_ path: FilePath) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try call(.rmdir, path) { unsafe path.withPlatformString { unsafe clinux_remove_directory($0) } }
            return true
        } catch  where [.directoryNotEmpty, .fileExists, .noSuchFileOrDirectory].contains(error.errno) {
            return false
        }
    }

    /// The path with every symbolic link resolved (realpath(3)): the form that mountinfo shows.
    package static func resolve(_ path: FilePath) throws(SystemError) -> FilePath {
        var resolved = [CChar](repeating: 0, count: Int(PATH_MAX))
        try call(.realpath, path) {
            unsafe path.withPlatformString { source in
                unsafe resolved.withUnsafeMutableBufferPointer { unsafe clinux_real_path(source, $0.baseAddress) }
            }
        }
        return FilePath(platformString: resolved)
    }

    /// The bytes of a symbolic link (readlink(2)), such as `net:[4026531833]` for `/proc/1/ns/net`.
    static func readLink(_ path: FilePath) throws(SystemError) -> [UInt8] {
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = try call(.readlink, path) {
            unsafe path.withPlatformString { source in
                unsafe target.withUnsafeMutableBytes { unsafe clinux_read_link(source, $0.baseAddress, $0.count) }
            }
        }
        return Array(target.prefix(Int(count)))
    }

    /// The names in a directory, `.` and `..` left out, in the file system's order, as the bytes they are.
    package static func names(in directory: FilePath) throws(SystemError) -> [[UInt8]] {
        guard let stream = unsafe directory.withPlatformString({ unsafe opendir($0) }) else {
            throw SystemError(.readdir, directory, errno: Errno(rawValue: Glibc.errno))
        }
        defer { unsafe closedir(stream) }
        var names: [[UInt8]] = []
        try unsafe eachName(from: stream, of: directory) { name in
            unsafe names.append(Array(UnsafeRawBufferPointer(start: name, count: strlen(name))))
        }
        return names
    }

    /// Calls `body` with each name that a stream of opendir(3) still has, but for `.` and `..`.
    ///
    /// - Parameter directory: What the stream is of, for the error.
    static func eachName(
        from stream: OpaquePointer, of directory: FilePath, _ body: (UnsafePointer<CChar>) -> Void
    ) throws(SystemError) {
        while true {
            Glibc.errno = 0  // readdir(3) answers NULL at the end and on error; only errno tells them apart.
            guard let entry = unsafe readdir(stream) else {
                guard Glibc.errno == 0 else {
                    throw SystemError(.readdir, directory, errno: Errno(rawValue: Glibc.errno))
                }
                return
            }
            // SAFETY: d_name is NUL-terminated within the entry, which stays valid until the next readdir(3).
            unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                let name = unsafe UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self)
                if unsafe strcmp(name, ".") != 0 && strcmp(name, "..") != 0 { unsafe body(name) }
            }
        }
    }
}

extension FilePath {
    /// The path of an entry whose name need not be UTF-8.
    package func entry(_ name: [UInt8]) -> FilePath {
        var bytes = unsafe withPlatformString { start in
            unsafe Array(UnsafeBufferPointer(start: start, count: strlen(start)))
        }
        bytes.append(CChar(bitPattern: UInt8(ascii: "/")))
        bytes.append(contentsOf: name.map { CChar(bitPattern: $0) })
        bytes.append(0)
        return FilePath(platformString: bytes)
    }
}
