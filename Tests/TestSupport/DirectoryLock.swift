import Glibc

/// Keeps every kernel worker that has to set the mount directory up waiting in flock(2), as a tool that hangs while it
/// does the same would.
package final class DirectoryLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock, and the mount away, so that whoever creates next needs both.
    package init(_ home: DaemonHome) throws {
        descriptor = open(home.netnsDirectory, O_RDONLY | O_CLOEXEC)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, umount2(home.netnsDirectory, Int32(MNT_DETACH)) == 0 else {
            throw TestFailure("cannot lock the mount directory: \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    /// Lets them go on.
    package func release() { flock(descriptor, LOCK_UN) }
}
