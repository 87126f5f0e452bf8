package import LinuxKit

/// What a client is told of a name in the mount directory.
package struct Namespace: Sendable, Equatable {
    /// Whether the name can be used.
    package enum State: String, Sendable {
        /// A network namespace is mounted on the file.
        case ready
        /// There is a file, and no network namespace on it.
        case stale
    }

    /// Whose work the namespace is.
    package enum Origin: String, Sendable {
        /// Ours; a record says so.
        case created
        /// Another tool's.
        case external
    }

    package let name: NamespaceName
    package let path: String
    package let origin: Origin
    /// nil for a stale name.
    package let status: NamespaceStatus?
    /// nil unless we created it.
    package let createdAt: Timestamp?

    package var state: State { status == nil ? .stale : .ready }
}

/// Whether the loopback interface of a new namespace is raised.
package enum Loopback: String, Sendable, CaseIterable {
    case up
    /// As the kernel makes it.
    case down
}

/// One page of the directory.
package struct NamespacePage: Sendable {
    package let namespaces: [Namespace]
    /// How many names there are in all.
    package let total: Int
    /// The name to ask for the next page after; nil on the last.
    package let next: NamespaceName?
}
