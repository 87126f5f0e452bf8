import CLinux
import Glibc
package import SystemPackage

/// A directory for namespace files: a shared mount in a peer group of its own, as ip-netns(8), Podman and the CNI
/// libraries want it, so that a namespace mounted by one of them is seen by all.
///
/// Problem: making the directory a shared mount takes several calls, and two processes in the middle of them stack
/// mounts without end. Rule: every one takes `flock(LOCK_EX)` on the directory itself around the same steps. Remaining
/// hazard: a tool that does not take the lock.
package struct MountDirectory: Sendable {
    /// Where the directory is, symbolic links resolved, as mountinfo shows it.
    package let path: FilePath

    /// Creates the directory where it is missing and resolves its path. It is not mounted yet.
    package init(creating path: FilePath) throws(SystemError) {
        try FileSystem.makeDirectory(path)
        self.path = try FileSystem.resolve(path)
    }

    /// Makes the directory a shared mount unless it is one, and answers the mount's id.
    ///
    /// Blocks while another process does the same.
    package func prepare() throws(SystemError) -> UInt64 {
        try FileSystem.makeDirectory(path)
        // A bind of a directory on itself is the same inode, so this is one lock whatever is mounted here by now.
        return try FileSystem.locking(path) { () throws(SystemError) in try prepareLocked() }
    }

    private func prepareLocked() throws(SystemError) -> UInt64 {
        if try !share() {
            // Recursively, so that namespaces mounted here before stay visible.
            try call(.bindMount, path) { unsafe path.withPlatformString { unsafe clinux_bind_mount($0, $0, true) } }
            do throws(SystemError) {
                // Out of the parent's peer group first, or every later mount here would appear twice.
                try call(.makePrivate, path) { unsafe path.withPlatformString { unsafe clinux_make_private($0) } }
                guard try share() else { throw SystemError(.makeShared, path, errno: .invalidArgument) }
            } catch {
                _ = unsafe path.withPlatformString { unsafe clinux_detach($0) }
                throw error
            }
        }
        return try Node.at(path).mountID
    }

    /// Throws `.verifyDirectory` unless the directory is the mount that ``prepare()`` answered: it can be unmounted or
    /// removed under a running daemon.
    func verify(mountID: UInt64) throws(SystemError) {
        let node: Node
        do throws(SystemError) {
            node = try Node.at(path)
        } catch {
            throw SystemError(.verifyDirectory, path, errno: error.errno)
        }
        guard node.isMountRoot, node.mountID == mountID else {
            throw SystemError(.verifyDirectory, path, errno: .noSuchFileOrDirectory)
        }
    }

    /// Makes the mount at the path shared; false says that it is no mount point.
    private func share() throws(SystemError) -> Bool {
        do throws(SystemError) {
            try call(.makeShared, path) {
                unsafe path.withPlatformString { unsafe clinux_make_shared_recursively($0) }
            }
            return true
        } catch  where error.errno == .invalidArgument {
            return false
        }
    }
}
