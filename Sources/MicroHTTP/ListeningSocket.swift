// Glibc's structs too: in a release build they are found in this one, which is loaded first.
import CMicroHTTPD
import Glibc
import Synchronization
public import SystemPackage

/// Why an address could not be listened on.
public struct ListenError: Error, CustomStringConvertible {
    /// The address asked for.
    public let address: ListenAddress
    /// The failing call.
    public let operation: String
    /// What it answered.
    public let reason: String
    /// The errno, where the call left one.
    public let errno: Errno?
    /// Whether TCP was to be for TLS.
    var isSecure = false

    init(_ address: ListenAddress, _ operation: String, errno: Errno) {
        self.address = address
        self.operation = operation
        self.errno = errno
        reason = "\(errno)"
    }

    init(_ address: ListenAddress, _ operation: String, reason: String) {
        self.address = address
        self.operation = operation
        self.reason = reason
        errno = nil
    }

    /// One line, such as `cannot listen on http://127.0.0.1:80: Address already in use (bind)`.
    public var description: String {
        "cannot listen on \(address.url(isSecure: isSecure)): \(reason) (\(operation))"
    }
}

/// A bound, listening, non-blocking, close-on-exec socket, and the file of a Unix one.
final class ListeningSocket: Sendable {
    let descriptor: CInt
    /// The address bound, with the port that the kernel chose.
    let address: ListenAddress
    /// The socket file's identity, so that only our own file is removed in the end.
    private let file: FileIdentity?
    private let isClosed = Atomic<Bool>(false)
    /// Whether somebody else, too, has the socket and will go on listening on it.
    private let isInherited: Bool

    private struct FileIdentity: Equatable {
        let device: UInt64
        let inode: UInt64
    }

    private init(
        descriptor: CInt, address: ListenAddress, file: FileIdentity? = nil, isInherited: Bool = false
    ) {
        self.descriptor = descriptor
        self.isInherited = isInherited
        self.address = address
        self.file = file
    }

    deinit { close() }

    /// Removes the file of a Unix socket, if it is still ours, and closes the socket, which refuses those who wait to
    /// be accepted, unless somebody else has the socket. A second call does nothing.
    func close() {
        guard !isClosed.exchange(true, ordering: .relaxed) else { return }
        if case .unix(let path, _, _) = address, let file, Self.identity(of: path) == file {
            _ = unsafe unlink(path)
        }
        _ = Glibc.close(descriptor)
    }

    /// Binds and listens.
    static func listen(on address: ListenAddress) throws(ListenError) -> ListeningSocket {
        switch address {
        case .unix(let path, let mode, let group):
            try SocketFileLock.holding(for: path, of: address) { () throws(ListenError) in
                try listenUnix(address, path: path, mode: mode, group: group)
            }
        case .tcp(let host, let port):
            try listenTCP(address, host: host, port: port)
        case .inherited(let descriptor, _, _):
            try adopt(descriptor.rawValue, of: address)
        }
    }

    /// Takes over a socket that listens already. Its file is somebody else's, and stays.
    private static func adopt(_ descriptor: CInt, of address: ListenAddress) throws(ListenError) -> ListeningSocket {
        let flags = fcntl(descriptor, F_GETFL)
        guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0,
            fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
        else { throw ListenError(address, "fcntl", errno: Errno(rawValue: Glibc.errno)) }
        return ListeningSocket(descriptor: descriptor, address: address, isInherited: true)
    }

    /// Whether somebody has connected and is not accepted yet. On an inherited socket they wait for whoever listens
    /// next.
    var hasQueue: Bool {
        guard !isInherited else { return false }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&entry, 1, 0) > 0
    }

    private static func makeSocket(_ family: CInt, for address: ListenAddress) throws(ListenError) -> CInt {
        let type = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw ListenError(address, "socket", errno: Errno(rawValue: Glibc.errno)) }
        return descriptor
    }
}

// MARK: - TCP

extension ListeningSocket {
    private static func listenTCP(
        _ address: ListenAddress, host: String, port: UInt16
    ) throws(ListenError) -> ListeningSocket {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var found: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(host, "\(port)", &hints, &found)
        guard status == 0, let info = unsafe found else {
            throw ListenError(address, "getaddrinfo", reason: unsafe String(cString: gai_strerror(status)))
        }
        defer { unsafe freeaddrinfo(found) }

        let descriptor = try makeSocket(unsafe info.pointee.ai_family, for: address)
        var on: CInt = 1
        let size = socklen_t(MemoryLayout<CInt>.size)
        // A restart must not wait for the connections of the process before to time out.
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, size)
        if unsafe info.pointee.ai_family == AF_INET6 {
            unsafe setsockopt(descriptor, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &on, size)
        }
        var failure: String?
        if unsafe bind(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen) != 0 {
            failure = "bind"
        } else if Glibc.listen(descriptor, SOMAXCONN) != 0 {
            failure = "listen"
        }
        if let failure {
            let errno = Errno(rawValue: Glibc.errno)
            Glibc.close(descriptor)
            throw ListenError(address, failure, errno: errno)
        }
        let bound = ListenAddress.tcp(host: host, port: port == 0 ? boundPort(descriptor) : port)
        return ListeningSocket(descriptor: descriptor, address: bound)
    }

    private static func boundPort(_ descriptor: CInt) -> UInt16 {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // SAFETY: the port stands at the same place in sockaddr_in and sockaddr_in6, both shorter than the storage.
        return unsafe withUnsafeMutablePointer(to: &storage) { storage in
            _ = unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &size)
            }
            return unsafe storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                unsafe UInt16(bigEndian: $0.pointee.sin_port)
            }
        }
    }
}

// MARK: - Unix

extension ListeningSocket {
    /// Under the path's ``SocketFileLock``.
    private static func listenUnix(
        _ address: ListenAddress, path: String, mode: UInt32, group: String?
    ) throws(ListenError) -> ListeningSocket {
        guard path.utf8.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else {
            throw ListenError(address, "bind", reason: "the path is longer than the 107 bytes that unix(7) allows")
        }
        try removeStale(path, of: address)
        let descriptor = try makeSocket(AF_UNIX, for: address)
        var failure: String?
        if unsafe withSocketAddress(path, { unsafe bind(descriptor, $0, $1) }) != 0 {
            failure = "bind"
        } else {
            // Before listen(2): until then nobody can connect, whatever the umask made of the file's mode.
            if let group, let entry = unsafe getgrnam(group), unsafe chown(path, 0, entry.pointee.gr_gid) != 0 {
                failure = "chown"
            } else if unsafe chmod(path, mode) != 0 {
                failure = "chmod"
            } else if Glibc.listen(descriptor, SOMAXCONN) != 0 {
                failure = "listen"
            }
            if failure != nil {
                let errno = Glibc.errno
                unsafe unlink(path)
                Glibc.errno = errno
            }
        }
        if let failure {
            let errno = Errno(rawValue: Glibc.errno)
            Glibc.close(descriptor)
            throw ListenError(address, failure, errno: errno)
        }
        return ListeningSocket(descriptor: descriptor, address: address, file: identity(of: path))
    }

    /// Unlinks the socket of a process that is gone; refuses to touch one that answers, or another kind of file.
    private static func removeStale(_ path: String, of address: ListenAddress) throws(ListenError) {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw ListenError(address, "bind", reason: "there is a file that is no socket")
        }
        let probe = try makeSocket(AF_UNIX, for: address)
        defer { Glibc.close(probe) }
        let result = unsafe withSocketAddress(path) { unsafe connect(probe, $0, $1) }
        // EAGAIN: somebody listens, with a full queue.
        guard result != 0, Glibc.errno == ECONNREFUSED else {
            throw ListenError(address, "bind", reason: "in use by a running process")
        }
        guard unsafe unlink(path) == 0 || Glibc.errno == ENOENT else {
            throw ListenError(address, "unlink", errno: Errno(rawValue: Glibc.errno))
        }
    }

    private static func withSocketAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { buffer in
            unsafe buffer.copyBytes(from: path.utf8)  // shorter than the zeroed buffer: checked by the caller
        }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func identity(of path: String) -> FileIdentity? {
        var status = stat()
        guard unsafe lstat(path, &status) == 0 else { return nil }
        return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }
}
