public import SystemPackage

/// Where a server listens.
public indirect enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
    /// A Unix socket; the file gets `mode` and, where it exists, the group named `group`. While the server starts,
    /// there is a lock file beside it, with `.lock` at its name's end.
    case unix(path: String, mode: UInt32, group: String?)
    /// A TCP port of a host name or address; port 0 lets the kernel choose.
    case tcp(host: String, port: UInt16)
    /// A stream socket that listens already, such as systemd hands over, with the name that it was given and the
    /// address that it is bound to. The server closes its descriptor in the end, and touches no file.
    case inherited(FileDescriptor, name: String, bound: ListenAddress)

    /// The address itself, whoever bound it.
    public var bound: ListenAddress {
        if case .inherited(_, _, let bound) = self { bound.bound } else { self }
    }

    /// Whether clients come over TCP.
    public var isTCP: Bool {
        if case .tcp = bound { true } else { false }
    }

    /// Where TCP is listened on, as in a URL and in `Host`: `HOST:PORT` or `[IPv6]:PORT`; nil for a Unix socket.
    public var authority: String? {
        guard case .tcp(let host, let port) = bound else { return nil }
        return "\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    /// Why a text is no TCP address.
    public struct Malformation: Error, CustomStringConvertible {
        /// For a person.
        public let description: String
    }

    /// Reads `HOST:PORT`, `ADDRESS:PORT` or `[IPv6]:PORT`.
    public init(parsingTCP text: String) throws(Malformation) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw Malformation(description: "a port number after the last colon is missing")
        }
        var host = text[..<colon]
        if host.hasPrefix("[") && host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw Malformation(description: "an IPv6 address stands in brackets")
        }
        guard !host.isEmpty else { throw Malformation(description: "the host is missing") }
        self = .tcp(host: String(host), port: port)
    }

    /// As in a URL.
    public var description: String { url(isSecure: false) }

    /// The address as in a URL; `isSecure` says whether TCP is for TLS.
    func url(isSecure: Bool) -> String {
        switch self {
        case .unix(let path, _, _): "unix:\(path)"
        case .tcp: "\(isSecure ? "https" : "http")://\(authority ?? "")"
        case .inherited(_, let name, let bound): "\(bound.url(isSecure: isSecure)) (\(name))"
        }
    }
}
