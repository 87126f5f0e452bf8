import CLinux
import Glibc
import SystemPackage

/// An open directory whose names are looked at.
///
/// Keep it for one look only: an open descriptor makes a plain umount(8) of the directory answer EBUSY.
@safe struct DirectoryView: ~Copyable {
    private let path: FilePath
    // SAFETY: Owned alone, from opendir(3) to the closedir(3) of deinit.
    private let stream: OpaquePointer
    private let namespaceDevice: UInt64

    /// - Parameter namespaceDevice: `st_dev` of nsfs, the one file system of all namespace files.
    init(_ path: FilePath, namespaceDevice: UInt64) throws(SystemError) {
        guard let stream = unsafe path.withPlatformString({ unsafe opendir($0) }) else {
            throw SystemError(.open, path, errno: Errno(rawValue: Glibc.errno))
        }
        self.path = path
        unsafe self.stream = stream
        self.namespaceDevice = namespaceDevice
    }

    deinit {
        _ = unsafe closedir(stream)
    }

    /// Looks at one name.
    func look(at name: [UInt8]) -> DirectoryWatcher.Seen {
        unsafe withUnsafeTemporaryAllocation(byteCount: name.count + 1, alignment: 1) { buffer in
            unsafe buffer.copyBytes(from: name)
            unsafe buffer[name.count] = 0
            return unsafe look(at: UnsafePointer(buffer.assumingMemoryBound(to: CChar.self).baseAddress))
        }
    }

    /// Looks at every name, in the file system's order; the stream is at its end afterwards.
    mutating func lookAtAll(expecting count: Int) throws(SystemError) -> [DirectoryWatcher.Observation] {
        var found: [DirectoryWatcher.Observation] = []
        found.reserveCapacity(count)
        try unsafe FileSystem.eachName(from: stream, of: path) { name in
            let seen = unsafe look(at: name)
            if seen == .absent { return }  // gone since it was listed
            let bytes = unsafe UnsafeRawBufferPointer(start: name, count: strlen(name))
            unsafe found.append(DirectoryWatcher.Observation(name: Array(bytes), seen: seen))
        }
        return found
    }

    /// One statx(2), no path and no allocation: the device alone says that a file is a namespace.
    private func look(at name: UnsafePointer<CChar>?) -> DirectoryWatcher.Seen {
        let descriptor = unsafe dirfd(stream)
        var node = clinux_node()
        if unsafe clinux_node_in(descriptor, name, true, &node) == 0 {
            return node.device == namespaceDevice
                ? .namespaceFile(device: node.device, inode: node.inode, mountID: node.mount_id) : .plain
        }
        // A symbolic link to nowhere is there, and can be deleted.
        return unsafe clinux_node_in(descriptor, name, false, &node) == -ENOENT ? .absent : .plain
    }
}
