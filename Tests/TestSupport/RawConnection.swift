package import Foundation
import Glibc

/// A plain socket with one HTTP/1.1 connection on it, for load and for malformed input.
///
/// Blocks, for 30 seconds at most: use it in ``offload(_:)``.
package final class RawConnection {
    private let descriptor: Int32
    private var received = Data()

    /// Connects.
    package init(_ endpoint: Endpoint) throws {
        switch endpoint {
        case .unix(let path):
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            try connect(&address)
        case .tcp(let port):
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            try connect(&address)
        }
    }

    deinit { close(descriptor) }

    private func connect<Address>(_ address: inout Address) throws {
        var timeout = timeval(tv_sec: 60, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &timeout, socklen_t(MemoryLayout<timeval>.size))
        }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard result == 0 else { throw TestFailure("connect: \(String(cString: strerror(errno)))") }
    }

    /// Whether something has come that no response was made of.
    package var hasRest: Bool { !received.isEmpty }

    /// Sends bytes as they are.
    package func send(_ bytes: Data) throws {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw TestFailure("send: \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(count)
        }
    }

    /// Sends a request.
    package func send(_ method: String, _ path: String, body: String = "", headers: [String] = []) throws {
        let type = body.isEmpty ? [] : ["Content-Type: application/json"]
        let fields = ["Host: localhost", "Content-Length: \(body.utf8.count)"] + type + headers
        let head = "\(method) \(path) HTTP/1.1\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
        try send(Data((head + body).utf8))
    }

    /// Reads one whole response, which must have a Content-Length or no body.
    package func response() throws -> HTTPResponse {
        var response = try responseHead()
        let length = response.headers["content-length"].flatMap { Int($0) } ?? 0
        while received.count < length { try receive() }
        response.body = take(length)
        return response
    }

    /// Reads a response up to its body.
    package func responseHead() throws -> HTTPResponse {
        let separator = Data("\r\n\r\n".utf8)
        while true {
            while received.firstRange(of: separator) == nil { try receive() }
            guard let end = received.firstRange(of: separator) else { continue }
            let head = String(decoding: received[..<end.lowerBound], as: UTF8.self)
            received = Data(received[end.upperBound...])
            let response = try HTTPResponse(head: head, body: Data())
            if response.status >= 200 { return response }
        }
    }

    /// Reads one chunk of a body that comes in chunks; nil at its end, be that the last chunk or the connection's end.
    package func chunk() throws -> Data? {
        let lineEnd = Data("\r\n".utf8)
        while received.firstRange(of: lineEnd) == nil {
            guard try receiveMore() else { return nil }
        }
        guard let end = received.firstRange(of: lineEnd) else { return nil }
        let size = String(decoding: received[..<end.lowerBound].prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
        guard let length = Int(size, radix: 16) else { throw TestFailure("no chunk size: \(size)") }
        let whole = end.upperBound - received.startIndex + length + lineEnd.count
        while received.count < whole {
            guard try receiveMore() else { return nil }
        }
        let chunk = take(whole)
        return length == 0 ? nil : chunk.dropFirst(whole - length - lineEnd.count).dropLast(lineEnd.count)
    }

    /// Sends a request and reads its response.
    package func exchange(
        _ method: String, _ path: String, body: String = "", headers: [String] = []
    ) throws -> HTTPResponse {
        try send(method, path, body: body, headers: headers)
        return try response()
    }

    /// Whether there is something to be read at this moment.
    package var hasBytes: Bool {
        var byte: UInt8 = 0
        return !received.isEmpty || recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    /// Reads until the peer closes, until `isEnough` of what there is, or until nothing has come for a while.
    ///
    /// When nothing comes it says that no more will be sent, for the peer to give up what it waits for. libmicrohttpd
    /// overlooks that where it comes right behind the bytes before it, and waits until its timeout: so do not we.
    package func everything(until isEnough: (Data) -> Bool) throws -> Data {
        for milliseconds in [100, 500] {
            var timeout = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            while try !wouldWait() {
                guard try receiveMore(), !isEnough(received) else { return take(received.count) }
            }
            _ = shutdown(descriptor, Int32(SHUT_WR))
        }
        return take(received.count)
    }

    /// Whether nothing has come, nor the connection's end, for as long as SO_RCVTIMEO says.
    private func wouldWait() throws -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK)) < 0 && errno == EAGAIN
    }

    private func receive() throws {
        guard try receiveMore() else { throw TestFailure("connection closed") }
    }

    /// False when the peer has closed the connection, orderly or not.
    private func receiveMore() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count == 0 || (count < 0 && errno == ECONNRESET) { return false }
        guard count > 0 else { throw TestFailure("recv: \(String(cString: strerror(errno)))") }
        received.append(contentsOf: buffer[..<count])
        return true
    }

    private func take(_ count: Int) -> Data {
        let taken = Data(received.prefix(count))
        received = Data(received.dropFirst(count))
        return taken
    }
}
