import Glibc

/// A socket that a service manager opens and hands over, as systemd does with `ListenStream=`.
package final class HandedSocket: Sendable {
    package let descriptor: Int32
    package let name: String
    /// Where clients reach it.
    package let endpoint: Endpoint

    private init(_ descriptor: Int32, name: String, endpoint: Endpoint) {
        self.descriptor = descriptor
        self.name = name
        self.endpoint = endpoint
    }

    deinit { close(descriptor) }

    /// A Unix socket, listening if it is of a kind that can.
    package static func unix(_ path: String, name: String, isDatagram: Bool = false) throws -> HandedSocket {
        let type = isDatagram ? SOCK_DGRAM : SOCK_STREAM
        let descriptor = socket(AF_UNIX, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        try bind(descriptor, &address)
        if !isDatagram { try check(listen(descriptor, 128), "listen") }
        return HandedSocket(descriptor, name: name, endpoint: .unix(path))
    }

    /// A TCP socket on a free port of 127.0.0.1.
    package static func tcp(name: String) throws -> HandedSocket {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        try bind(descriptor, &address)
        try check(listen(descriptor, 128), "listen")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
        }
        try check(status, "getsockname")
        return HandedSocket(descriptor, name: name, endpoint: .tcp(UInt16(bigEndian: address.sin_port)))
    }

    /// What gives the program after it the process id that it is told of.
    package static let launcher = ["sh", "-c", #"LISTEN_PID=$$ exec "$@""#, "sh"]

    /// The variables that go with the sockets.
    package static func environment(of sockets: [HandedSocket]) -> [String: String] {
        guard !sockets.isEmpty else { return [:] }
        // The shell exports what comes from its environment.
        return [
            "LISTEN_PID": "", "LISTEN_FDS": "\(sockets.count)",
            "LISTEN_FDNAMES": sockets.map(\.name).joined(separator: ":"),
        ]
    }

    private static func bind<Address>(_ descriptor: Int32, _ address: inout Address) throws {
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        try check(status, "bind")
    }

    private static func check(_ status: Int32, _ operation: String) throws {
        guard status == 0 else { throw TestFailure("\(operation): \(String(cString: strerror(errno)))") }
    }
}
