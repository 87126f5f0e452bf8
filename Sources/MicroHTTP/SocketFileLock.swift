import Glibc
import SystemPackage

/// Keeps others, in this process or another, from starting on the same Unix socket at the same time.
///
/// A socket that is bound and does not listen yet looks like one left behind: without the lock two that start at once
/// unlink each other's. The lock is a file beside the socket, which only its owner can open; whoever can read a
/// directory could lock that for ever. Whoever holds the lock removes the file; who waited for it finds that and begins
/// anew.
enum SocketFileLock {
    /// Runs `body` with the lock held.
    static func holding<Result>(
        for path: String, of address: ListenAddress, _ body: () throws(ListenError) -> Result
    ) throws(ListenError) -> Result {
        let file = path + ".lock"
        let descriptor = try acquire(file, of: address)
        defer {
            // Still locked, so it is ours to unlink.
            _ = unsafe unlink(file)
            close(descriptor)
        }
        return try body()
    }

    private static func acquire(_ file: String, of address: ListenAddress) throws(ListenError) -> CInt {
        while true {
            let descriptor = unsafe open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else { throw ListenError(address, "open", errno: Errno(rawValue: Glibc.errno)) }
            while flock(descriptor, LOCK_EX) != 0 {
                let errno = Errno(rawValue: Glibc.errno)
                guard errno != .interrupted else { continue }
                close(descriptor)
                throw ListenError(address, "flock", errno: errno)
            }
            var (held, named) = (stat(), stat())
            if unsafe fstat(descriptor, &held) == 0, unsafe lstat(file, &named) == 0,
                held.st_dev == named.st_dev, held.st_ino == named.st_ino
            {
                return descriptor
            }
            close(descriptor)
        }
    }
}
