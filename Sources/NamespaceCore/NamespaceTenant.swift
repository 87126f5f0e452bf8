/// What somebody keeps in or about namespaces, and has to take away with them: wires, attachments, files.
///
/// The manager asks every tenant before a namespace goes, and tells it of those that others took away.
package protocol NamespaceTenant: Sendable {
    /// Whether it has anything of the namespace. Asked for every namespace that goes: it does not block.
    func isIn(_ name: NamespaceName) -> Bool

    /// Says what would keep it from leaving, before any other tenant leaves. Called while the name is held.
    ///
    /// - Throws: what keeps the namespace from being deleted, and is known without trying.
    func checkLeave(_ name: NamespaceName, of manager: NamespaceManager) async throws(NamespaceError)

    /// Takes away what it has, while the namespace is still there. Called while the name is held; use
    /// ``NamespaceManager/visitingHeld(_:_:)``.
    ///
    /// - Throws: what keeps the namespace from being deleted.
    func leave(_ name: NamespaceName, of manager: NamespaceManager) async throws(NamespaceError)

    /// Forgets what it had: the namespace is gone, and whatever was in it.
    func lose(_ name: NamespaceName) async
}

extension NamespaceTenant {
    package func checkLeave(_: NamespaceName, of _: NamespaceManager) async throws(NamespaceError) {}
}

extension NamespaceManager {
    /// Has the tenants asked and told from now on, the last first: a later one may stand on an earlier one's.
    package func admit(_ tenant: any NamespaceTenant) { tenants.insert(tenant, at: 0) }

    func evict(from name: NamespaceName) async throws(NamespaceError) {
        for tenant in tenants where tenant.isIn(name) { try await tenant.checkLeave(name, of: self) }
        for tenant in tenants where tenant.isIn(name) { try await tenant.leave(name, of: self) }
    }

    func tellLoss(of name: NamespaceName) async {
        for tenant in tenants where tenant.isIn(name) { await tenant.lose(name) }
    }
}
