package import LinuxKit

/// What a client is told of a name in the mount directory.
package struct Namespace: Sendable, Equatable {
    /// Whether the name can be used.
    package enum State: String, Sendable, CaseIterable {
        /// A network namespace is mounted on the file.
        case ready
        /// There is a file, and no network namespace on it.
        case stale
    }

    /// Whose work the namespace is.
    package enum Origin: String, Sendable, CaseIterable {
        /// Ours; a record says so.
        case created
        /// Another tool's, which we were asked to name or to look after; a record says so.
        case adopted
        /// Another tool's.
        case external
    }

    package let name: NamespaceName
    package let path: String
    /// nil for a stale name.
    package let status: NamespaceStatus?
    /// nil for an external or stale one.
    package let record: NamespaceRecord?
    /// When the lease ends, nil without one.
    package let expiresAt: Timestamp?

    package var state: State { status == nil ? .stale : .ready }
    package var origin: Origin { record?.origin ?? .external }

    /// Tells this state of the namespace from every other that a client can bring about (RFC 9110, section 8.8.3). The
    /// loopback interface is not part of it: that belongs to whoever is inside.
    package var tag: String {
        guard let status else { return "stale" }
        let identity = status.identity
        return "\(String(identity.cookie ?? identity.inode, radix: 16))-\(record?.version ?? 0)"
    }
}

/// Whether the loopback interface of a new namespace is raised.
package enum Loopback: String, Sendable, CaseIterable {
    case up
    /// As the kernel makes it.
    case down
}

/// Who asked for a namespace.
package struct Owner: Sendable, Hashable {
    /// The name by which it is known who they are; whoever has it later owns the namespace.
    package let principal: String
    /// As the kernel tells of the other end of a Unix socket (`SO_PEERCRED`, unix(7)); nil for those who came over TCP.
    package let user: UInt32?
    package let process: Int32?

    package init(principal: String, user: UInt32? = nil, process: Int32? = nil) {
        self.principal = principal
        self.user = user
        self.process = process
    }
}

/// One page of the directory.
package struct NamespacePage: Sendable {
    package let namespaces: [Namespace]
    /// How many names match in all.
    package let total: Int
    /// The name to ask for the next page after; nil on the last.
    package let next: NamespaceName?
    /// The change after which the page was read.
    package let revision: Revision
}
