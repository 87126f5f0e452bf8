/// Our records by name, and how many each principal has.
struct NamespaceRecords {
    private(set) var all: [NamespaceName: NamespaceRecord]
    private var perPrincipal: [String: Int] = [:]

    init(_ all: [NamespaceName: NamespaceRecord] = [:]) {
        self.all = all
        for record in all.values { count(record, 1) }
    }

    subscript(_ name: NamespaceName) -> NamespaceRecord? {
        get { all[name] }
        set {
            let old = all.updateValueOrRemove(newValue, for: name)
            guard old?.principal != newValue?.principal else { return }
            count(old, -1)
            count(newValue, 1)
        }
    }

    /// How many namespaces are the principal's.
    func count(of principal: String) -> Int { perPrincipal[principal] ?? 0 }

    private mutating func count(_ record: NamespaceRecord?, _ difference: Int) {
        guard let principal = record?.principal else { return }
        perPrincipal[principal, default: 0] += difference
        if difference < 0, perPrincipal[principal] == 0 { perPrincipal[principal] = nil }
    }
}

extension NamespaceRecord {
    /// Whose namespace it is, by the name that quotas count by.
    var principal: String? { createdBy?.principal }
}
