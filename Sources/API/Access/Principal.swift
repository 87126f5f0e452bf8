package import NamespaceCore

/// Somebody the daemon knows, and what they may do.
package struct Principal: Sendable, Hashable {
    /// Stable over requests and restarts, such as `uid:1000`, `token:ci` or `certificate:CN=lab`; what is counted and
    /// recorded is counted and recorded by it.
    package let name: String
    package let role: Role
    /// What of others' an operator may touch too: what has labels for which all of these hold. nil grants nothing.
    package let grant: [Selector.Requirement]?

    package init(name: String, role: Role, grant: [Selector.Requirement]? = nil) {
        self.name = name
        self.role = role
        self.grant = grant
    }

    /// Whoever asks for what is open to everybody.
    static let nobody = Principal(name: "nobody", role: .viewer)
}

/// What a principal may do; each role may do what the ones before it may.
package enum Role: String, Sendable, CaseIterable {
    /// Reads.
    case viewer
    /// Creates, and changes and deletes what is its own.
    case `operator`
    /// Everything, others' namespaces included.
    case admin
}
