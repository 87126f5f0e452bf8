/// Our records by name, and how many each principal has.
struct NamespaceRecords {
    private(set) var all: [NamespaceName: NamespaceRecord]
    private var perPrincipal = PrincipalCounts()

    init(_ all: [NamespaceName: NamespaceRecord] = [:]) {
        self.all = all
        for case let principal? in all.values.lazy.map(\.principal) { perPrincipal.add(1, for: principal) }
    }

    subscript(_ name: NamespaceName) -> NamespaceRecord? {
        get { all[name] }
        set {
            let old = all.updateValueOrRemove(newValue, for: name)
            guard old?.principal != newValue?.principal else { return }
            if let principal = old?.principal { perPrincipal.remove(1, for: principal) }
            if let principal = newValue?.principal { perPrincipal.add(1, for: principal) }
        }
    }

    /// How many namespaces are the principal's.
    func count(of principal: String) -> Int { perPrincipal[principal] }
}

extension NamespaceRecord {
    /// Whose namespace it is, by the name that quotas count by.
    var principal: String? { createdBy?.principal }
}
