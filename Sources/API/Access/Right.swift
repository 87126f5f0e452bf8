/// What somebody may be allowed to do. The raw value is what a refusal calls it.
package enum Right: String, Sendable, CaseIterable {
    /// To learn that the daemon is alive: everybody's, known or not.
    case open
    /// To read what the daemon tells of namespaces, events, the host and itself.
    case read
    /// To make namespaces.
    case create
    /// To change labels and lease of what is one's own.
    case change
    /// To delete what is one's own.
    case delete
    /// To learn which processes are inside what is one's own, command lines included, and where a process is.
    case inspect
    /// As `change`, `delete` and `inspect`, for what somebody else has made, or nobody.
    case changeOthers = "change-others"
    case deleteOthers = "delete-others"
    case inspectOthers = "inspect-others"
    /// To give names to existing namespaces, the host's included.
    case adopt
    /// To give links of namespaces an end in the host's own, and to take links from there.
    case host
    /// To remove what is nobody's: files that are no namespace.
    case prune

    /// The least of the roles that have it; every later one has it too.
    package var role: Role {
        switch self {
        case .open, .read: .viewer
        case .create, .change, .delete, .inspect: .operator
        case .changeOthers, .deleteOthers, .inspectOthers, .adopt, .host, .prune: .admin
        }
    }
}

extension Role {
    /// Whether it includes the right.
    package func has(_ right: Right) -> Bool { right.role <= self }
}

extension Role: Comparable {
    /// By what they may do.
    package static func < (left: Role, right: Role) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .viewer: 0
        case .operator: 1
        case .admin: 2
        }
    }
}
