package import Glibc
package import SystemPackage

/// A listening socket that the service manager has opened for the process: sd_listen_fds(3) without libsystemd.
package struct ActivatedSocket: Sendable, Equatable {
    /// Where a socket is bound.
    package enum Address: Sendable, Equatable {
        /// A Unix socket's path; an abstract one's begins with `@`.
        case unix(path: String)
        /// The address without brackets, and the port.
        case tcp(host: String, port: UInt16)
    }

    /// Why a descriptor that was handed over cannot be served on.
    package struct Failure: Error, CustomStringConvertible {
        /// One line for a person.
        package let description: String
    }

    /// The socket, which is the process's to close.
    package let descriptor: FileDescriptor
    /// `FileDescriptorName=` of the socket unit, by default the unit's name.
    package let name: String
    /// Where it is bound.
    package let address: Address

    /// The first descriptor that is handed over (`SD_LISTEN_FDS_START`).
    private static let first: CInt = 3
    /// More than anybody passes, and fewer than would take time.
    private static let most = 256

    /// What was handed over to the process `process`, made close-on-exec; nothing if it was another process.
    ///
    /// - Throws: ``Failure`` for variables that make no sense, and for a descriptor that is no listening stream socket.
    package static func received(
        environment: [String: String], process: pid_t = getpid()
    ) throws(Failure) -> [ActivatedSocket] {
        guard let pid = environment["LISTEN_PID"], let count = environment["LISTEN_FDS"] else { return [] }
        guard let pid = pid_t(pid), pid > 0 else { throw Failure(description: "LISTEN_PID is no process: '\(pid)'") }
        guard pid == process else { return [] }
        guard let count = Int(count), (0...most).contains(count) else {
            throw Failure(description: "LISTEN_FDS is no number from 0 to \(most): '\(count)'")
        }
        var names: [String]?
        if let text = environment["LISTEN_FDNAMES"], count > 0 {
            let given = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard given.count == count else {
                throw Failure(description: "LISTEN_FDNAMES has \(given.count) names for \(count) sockets")
            }
            names = given
        }
        var sockets: [ActivatedSocket] = []
        for index in 0..<count {
            // What sd_listen_fds_with_names(3) calls a descriptor without a name.
            let name = names.flatMap { $0[index].isEmpty ? nil : $0[index] } ?? "unknown"
            sockets.append(try inspect(first + CInt(index), name: name))
        }
        return sockets
    }

    private static func inspect(_ descriptor: CInt, name: String) throws(Failure) -> ActivatedSocket {
        func failure(_ reason: String) -> Failure {
            let subject = "descriptor \(descriptor) ('\(name)') of the service manager"
            return Failure(description: "cannot serve on \(subject): \(reason)")
        }
        guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0 else { throw failure("it is not open") }
        guard let type = option(SO_TYPE, of: descriptor) else { throw failure("it is no socket") }
        guard type == CInt(SOCK_STREAM.rawValue) else {
            let kind = type == CInt(SOCK_DGRAM.rawValue) ? "a datagram socket" : "a socket of another kind"
            throw failure("it is \(kind), and HTTP needs a stream socket (ListenStream=)")
        }
        guard option(SO_ACCEPTCONN, of: descriptor) == 1 else {
            throw failure("it does not listen (with Accept=yes systemd passes connections; use Accept=no)")
        }
        guard let address = Address(of: descriptor) else { throw failure("it is neither a Unix nor a TCP socket") }
        return ActivatedSocket(descriptor: FileDescriptor(rawValue: descriptor), name: name, address: address)
    }

    private static func option(_ option: CInt, of descriptor: CInt) -> CInt? {
        var value: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return unsafe getsockopt(descriptor, SOL_SOCKET, option, &value, &size) == 0 ? value : nil
    }
}

extension ActivatedSocket.Address {
    /// Where the socket is bound; nil for one that is neither Unix nor TCP.
    fileprivate init?(of descriptor: CInt) {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // SAFETY: getsockname writes at most `size` bytes, the storage's own, and every family's address fits into it.
        let status = unsafe withUnsafeMutablePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe getsockname(descriptor, $0, &size)
            }
        }
        guard status == 0 else { return nil }
        let bytes = unsafe withUnsafeBytes(of: &storage) { unsafe Array($0.prefix(Int(size))) }
        switch CInt(storage.ss_family) {
        case AF_UNIX:
            let path = bytes.dropFirst(MemoryLayout<sa_family_t>.size)
            let isAbstract = path.first == 0 && path.count > 1
            let text = isAbstract ? path.dropFirst() : path.prefix { $0 != 0 }
            self = .unix(path: (isAbstract ? "@" : "") + String(decoding: text, as: UTF8.self))
        case AF_INET, AF_INET6:
            let isIPv4 = CInt(storage.ss_family) == AF_INET
            // Family and port stand first; IPv6 has its flow label before the address.
            guard bytes.count >= (isIPv4 ? 8 : 24) else { return nil }
            let raw = isIPv4 ? bytes[4..<8] : bytes[8..<24]
            var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
            let isWritten = unsafe raw.withUnsafeBytes { raw in
                unsafe inet_ntop(CInt(storage.ss_family), raw.baseAddress, &text, socklen_t(text.count)) != nil
            }
            guard isWritten else { return nil }
            let host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            self = .tcp(host: host, port: UInt16(bytes[2]) << 8 | UInt16(bytes[3]))
        default: return nil
        }
    }
}
