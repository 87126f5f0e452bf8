import CLinux
import Glibc
package import SystemPackage

/// The lock that makes one daemon the only one of its state directory.
package final class StateDirectory: Sendable {
    private let descriptor: OwnedDescriptor

    private init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
    }

    /// Creates the directory where it is missing and locks it (`flock(LOCK_EX|LOCK_NB)`) until ``release()`` or the
    /// end of the process.
    ///
    /// - Throws: `.flock` with `.wouldBlock` when another process has it.
    package static func lock(_ path: FilePath) throws(SystemError) -> StateDirectory {
        try FileSystem.makeDirectory(path)
        let directory = try OwnedDescriptor.open(path, O_RDONLY | O_DIRECTORY)
        let rawValue = directory.rawValue
        try call(.flock, path) { clinux_flock(rawValue, LOCK_EX | LOCK_NB) }
        return StateDirectory(directory)
    }

    /// Lets go of the lock.
    package func release() {
        _ = clinux_flock(descriptor.rawValue, LOCK_UN)
    }
}
