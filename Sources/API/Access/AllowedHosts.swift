import HTTPTypes
package import MicroHTTP

/// What a request over TCP may call the host it is sent to. A page in a browser whose name has been bound to our
/// address (DNS rebinding) sends a name of its own.
package struct AllowedHosts: Sendable {
    private var names: Set<String>
    /// What clients that ask by the address they connect to send, as they send it. There are few.
    private let usual: [String]
    /// Whether a listener takes any address of the host: then every address is ours. A page has a name, not an address.
    private let takesAddresses: Bool

    /// - Parameter extra: Names besides those of the listeners.
    package init(_ listeners: [ListenAddress], extra: [String] = []) {
        usual = listeners.compactMap(\.authority)
        let hosts = listeners.compactMap { if case .tcp(let host, _) = $0.bound { Self.normalized(host) } else { nil } }
        names = Set(hosts).union(extra.map(Self.normalized))
        takesAddresses = hosts.contains { ["0.0.0.0", "::"].contains($0) }
        if takesAddresses || hosts.contains(where: Self.isLoopback) {
            names.formUnion(["localhost", "127.0.0.1", "::1"])
        }
    }

    /// Whether the value of a `Host` field is allowed; its port does not matter.
    func allow(_ field: String) -> Bool {
        if usual.contains(field) { return true }
        guard let host = Self.host(of: field) else { return false }
        let name = Self.normalized(host)
        return names.contains(name) || (takesAddresses && Self.isAddress(name))
    }

    /// Whether only this host can reach a listener there.
    package static func isLoopback(_ host: String) -> Bool {
        let host = normalized(host)
        return host == "localhost" || host == "::1" || (host.hasPrefix("127.") && isAddress(host))
    }

    /// `HOST`, `HOST:PORT` or `[ADDRESS]:PORT` without the port and the brackets; nil for anything else.
    private static func host(of field: String) -> String? {
        var (host, port) = (field[...], ""[...])
        // By its bytes: they are looked through many times faster than characters, and none hides behind another.
        if field.utf8.first == UInt8(ascii: "[") {
            guard let end = field.utf8.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            host = field[field.utf8.index(after: field.startIndex)..<end]
            port = field[field.utf8.index(after: end)...]
            guard port.isEmpty || port.utf8.first == UInt8(ascii: ":") else { return nil }
        } else if let colon = field.utf8.firstIndex(of: UInt8(ascii: ":")) {
            host = field[..<colon]
            port = field[colon...]
        }
        guard !host.isEmpty, port.utf8.dropFirst().allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return String(host)
    }

    private static func normalized(_ host: String) -> String {
        let lower = host.lowercased()
        return lower.hasSuffix(".") ? String(lower.dropLast()) : lower
    }

    private static func isAddress(_ host: String) -> Bool {
        if host.contains(":") { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil && $0.utf8.first != UInt8(ascii: "+") }
    }
}
