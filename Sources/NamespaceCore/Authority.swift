/// On whose behalf something is done, and to whose namespaces it may be done.
///
/// It is asked while the name is held, with the namespace as it is at that moment: what somebody else makes of the name
/// in between is not touched.
package struct Authority: Sendable {
    /// What may be touched.
    package enum Reach: Sendable, Equatable {
        case everything
        /// What the owner has made, and what has labels for which all of the requirements hold; nil grants nothing
        /// more.
        case own(or: [Selector.Requirement]?)
    }

    /// What may be done to a namespace that exists.
    package enum Action: String, Sendable, CaseIterable {
        case change
        case delete
        case inspect
    }

    /// Who asks; what they make is theirs.
    package let owner: Owner?
    package let reach: Reach

    /// The daemon itself, and whoever may do everything.
    package static let unlimited = Authority(owner: nil, reach: .everything)

    package init(owner: Owner?, reach: Reach) {
        self.owner = owner
        self.reach = reach
    }

    /// Whether everything may be touched, whoever has made it.
    var isUnlimited: Bool { reach == .everything }

    /// Throws unless the action may be done to the namespace. What has no record is nobody's, and its labels, which are
    /// none, grant nothing.
    func check(_ action: Action, on namespace: Namespace) throws(NamespaceError) {
        guard case .own(let requirements) = reach else { return }
        let maker = namespace.record?.createdBy?.principal
        if let owner, let maker, owner.principal == maker { return }
        if let requirements, let record = namespace.record, requirements.allSatisfy({ $0.holds(for: record.labels) }) {
            return
        }
        let whose = maker.map { "\($0)'s" } ?? "nobody's whom the daemon knows"
        throw NamespaceError(
            action.refusal,
            "The namespace \(namespace.name) is \(whose), and only the role admin may \(action.rawValue) what is others'."
        )
    }

    /// Throws unless an existing namespace, which may be anybody's, may be given a name.
    func checkAdoption(by creation: Creation.Kind) throws(NamespaceError) {
        guard case .existing = creation, !isUnlimited else { return }
        throw NamespaceError(.adoptionForbidden, "Only the role admin may give a name to an existing namespace.")
    }

    /// Throws unless the links of the namespace that the daemon runs in may be touched.
    package func checkHost() throws(NamespaceError) {
        guard !isUnlimited else { return }
        throw NamespaceError(.hostForbidden, "Only the role admin may reach into the host's own namespace.")
    }
}

extension Authority.Action {
    fileprivate var refusal: NamespaceError.Code {
        switch self {
        case .change: .changeForbidden
        case .delete: .deletionForbidden
        case .inspect: .inspectionForbidden
        }
    }
}
