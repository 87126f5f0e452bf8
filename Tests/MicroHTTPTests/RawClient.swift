import Foundation

/// A client that says exactly what it is told to, with a timeout on every read.
final class RawClient {
    private let descriptor: CInt
    private var buffer: [UInt8] = []

    /// Connects to a Unix socket.
    init(path: String) throws {
        descriptor = Self.socket(AF_UNIX)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }

    /// Connects to a port of 127.0.0.1.
    init(port: UInt16) throws {
        descriptor = Self.socket(AF_INET)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }

    private static func socket(_ family: CInt) -> CInt {
        let descriptor = Foundation.socket(family, CInt(SOCK_STREAM.rawValue), 0)
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        return descriptor
    }

    deinit { close(descriptor) }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Foundation.send(descriptor, bytes, bytes.count, CInt(MSG_NOSIGNAL))
    }

    /// The next answer, head and body; what has arrived when the peer closes or the time is over.
    func answer() -> String {
        while true {
            let text = String(decoding: buffer, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let head = text[..<end.lowerBound]
                let length =
                    head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
                    .flatMap { Int($0.split(separator: ":")[1].trimmingCharacters(in: .whitespaces)) } ?? 0
                let total = text[..<end.upperBound].utf8.count + length
                if buffer.count >= total {
                    let answer = String(decoding: buffer.prefix(total), as: UTF8.self)
                    buffer.removeFirst(total)
                    return answer
                }
            }
            guard receive() else {
                defer { buffer = [] }
                return text
            }
        }
    }

    /// Whether something of an answer arrives within as many milliseconds.
    func hasAnswer(within milliseconds: CInt) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) > 0
    }

    /// What arrives up to and with `end`; what has arrived when the peer closes or the time is over.
    func text(through end: String) -> String {
        let end = Array(end.utf8)
        var searched = 0
        while true {
            // From where a piece of the end may have been at the last look.
            if let index = buffer[searched...].indices.first(where: { buffer[$0...].starts(with: end) }) {
                defer { buffer.removeFirst(index + end.count) }
                return String(decoding: buffer.prefix(index + end.count), as: UTF8.self)
            }
            searched = max(0, buffer.count - end.count + 1)
            guard receive() else { return rest() }
        }
    }

    /// Everything until the peer closes or the time is over.
    func rest() -> String {
        while receive() {}
        defer { buffer = [] }
        return String(decoding: buffer, as: UTF8.self)
    }

    /// Whether the peer has closed the connection.
    func isClosed() -> Bool { buffer.isEmpty && !receive() }

    private func receive() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        buffer += chunk.prefix(count)
        return true
    }
}
