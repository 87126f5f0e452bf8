import Foundation
import Glibc

/// The service manager's end of sd_notify(3).
///
/// Blocks: use it in ``offload(_:)``.
package final class NotifySocket: Sendable {
    private let descriptor: Int32
    /// What the daemon has in NOTIFY_SOCKET.
    package let variable: String

    /// Binds to a path, or to an abstract name that begins with `@`.
    package init(_ variable: String) throws {
        self.variable = variable
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(variable.utf8)
        if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let size = MemoryLayout<sa_family_t>.size + bytes.count
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, socklen_t(size)) }
        }
        guard status == 0 else { throw TestFailure("bind: \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    /// The assignments of the next message; nil when none comes in time.
    package func next(within seconds: Double = 10) throws -> [String: String]? {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, Int32(seconds * 1000)) > 0 else { return nil }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { throw TestFailure("recv: \(String(cString: strerror(errno)))") }
        let text = String(decoding: buffer.prefix(count), as: UTF8.self)
        let pairs = text.split(separator: "\n").map { line in
            let sides = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            return (sides[0], sides.count == 2 ? sides[1] : "")
        }
        return Dictionary(pairs) { _, last in last }
    }

    /// The next message that has the assignment `name`; those before it are passed over.
    package func next(having name: String, within seconds: Double = 10) throws -> [String: String] {
        let end = Date() + seconds
        while let message = try next(within: max(0, end.timeIntervalSinceNow)) {
            if message[name] != nil { return message }
        }
        throw TestFailure("no \(name) within \(seconds) s")
    }

    /// How many messages with `name` come within `seconds`.
    package func count(of name: String, within seconds: Double) throws -> Int {
        let end = Date() + seconds
        var count = 0
        while let message = try next(within: max(0, end.timeIntervalSinceNow)) { count += message[name] == nil ? 0 : 1 }
        return count
    }
}
