import Glibc
import SystemPackage

/// Tells the service manager how the service is: sd_notify(3) without libsystemd.
package struct ServiceNotifier: Sendable {
    /// What there is to tell.
    package enum State: Sendable, Equatable {
        /// The service serves, for the first time or again after a reload.
        case ready(status: String)
        /// A reload begins; ``ready(status:)`` ends it.
        case reloading
        /// The service is going down.
        case stopping(status: String)
        /// The service is well.
        case alive
    }

    /// Why the manager could not be told.
    package struct Failure: Error, CustomStringConvertible {
        /// One line for a person.
        package let description: String
    }

    private let address: [UInt8]
    private let path: String

    /// A notifier for `NOTIFY_SOCKET`; nil where nobody wants to be notified.
    ///
    /// - Throws: ``Failure`` for a socket of a kind that this machine's service manager does not have.
    package init?(environment: [String: String]) throws(Failure) {
        guard let path = environment["NOTIFY_SOCKET"], !path.isEmpty else { return nil }
        let bytes = Array(path.utf8)
        guard bytes.count > 1, bytes[0] == UInt8(ascii: "/") || bytes[0] == UInt8(ascii: "@") else {
            throw Failure(description: "NOTIFY_SOCKET is neither a path nor an abstract Unix socket: '\(path)'")
        }
        guard bytes.count < Self.longest, !bytes.contains(0) else {
            throw Failure(description: "NOTIFY_SOCKET is longer than unix(7) allows")
        }
        self.path = path
        address = bytes[0] == UInt8(ascii: "@") ? [0] + bytes.dropFirst() : bytes
    }

    private static var longest: Int { MemoryLayout.size(ofValue: sockaddr_un().sun_path) }

    /// Sends one datagram. Waits a few seconds at most for a manager that is busy.
    package func send(_ state: State) throws(Failure) {
        let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket") }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 2, tv_usec: 0)
        _ = unsafe setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        // Shorter than the zeroed buffer: `init` has seen to that.
        unsafe withUnsafeMutableBytes(of: &target.sun_path) { unsafe $0.copyBytes(from: address) }
        // An abstract name ends where the address does, a path at its NUL.
        let size = MemoryLayout<sa_family_t>.size + address.count + (address[0] == 0 ? 0 : 1)
        let message = Array(state.message.utf8)
        let sent = unsafe withUnsafePointer(to: &target) { target in
            unsafe target.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(descriptor, message, message.count, CInt(MSG_NOSIGNAL), $0, socklen_t(size))
            }
        }
        guard sent == message.count else { throw failure("sendto") }
    }

    private func failure(_ operation: String) -> Failure {
        Failure(
            description: "cannot notify the service manager at \(path): \(Errno(rawValue: Glibc.errno)) (\(operation))")
    }
}

extension ServiceNotifier.State {
    /// The assignments of sd_notify(3), one a line.
    var message: String {
        switch self {
        case .ready(let status): "READY=1\nSTATUS=\(status.onOneLine)\n"
        // Type=notify-reload wants to know which reload this is the answer to.
        case .reloading: "RELOADING=1\nMONOTONIC_USEC=\(Self.monotonicMicroseconds)\nSTATUS=Reloading\n"
        case .stopping(let status): "STOPPING=1\nSTATUS=\(status.onOneLine)\n"
        case .alive: "WATCHDOG=1\n"
        }
    }

    private static var monotonicMicroseconds: Int {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
    }
}

extension String {
    fileprivate var onOneLine: String { String(map { $0.isNewline ? " " : $0 }) }
}
