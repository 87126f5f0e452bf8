import FoundationEssentials
import LinuxKit
import NamespaceCore

/// A namespace as JSON; every field is always there, null where the kernel or our records have nothing to say.
struct NamespaceResource: Encodable {
    private let namespace: Namespace

    init(_ namespace: Namespace) {
        self.namespace = namespace
    }

    private enum CodingKeys: String, CodingKey {
        case name, path, state, origin, inode, device, cookie, createdAt, loopback
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        let status = namespace.status
        try container.encode(namespace.name.description, forKey: .name)
        try container.encode(namespace.path, forKey: .path)
        try container.encode(namespace.state.rawValue, forKey: .state)
        try container.encode(namespace.origin.rawValue, forKey: .origin)
        try container.encode(status?.identity.inode, forKey: .inode)
        try container.encode(status?.identity.device, forKey: .device)
        try container.encode(status?.identity.cookie, forKey: .cookie)
        try container.encode(namespace.createdAt.map(Self.timestamp), forKey: .createdAt)
        try container.encode(status.map { $0.isLoopbackUp ? "up" : "down" }, forKey: .loopback)
    }

    /// RFC 3339 in UTC, with milliseconds.
    private static func timestamp(_ date: Date) -> String {
        date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
