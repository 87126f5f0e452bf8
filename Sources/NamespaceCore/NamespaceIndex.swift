/// What the directory held when it was last looked at: every name, in byte order, and what each one stood for. It makes
/// pages cheap and tells changes by others; what a client is told of a namespace is looked at anew.
struct NamespaceIndex {
    /// What a name stood for.
    enum Known: Equatable, Sendable {
        /// A file that is no namespace.
        case stale
        case namespace(device: UInt64, inode: UInt64, mountID: UInt64)
    }

    private(set) var names: [NamespaceName] = []
    private var known: [NamespaceName: Known] = [:]

    var count: Int { names.count }
    /// How many are no namespace.
    private(set) var staleCount = 0

    subscript(_ name: NamespaceName) -> Known? {
        get { known[name] }
        set {
            let old = known.updateValueOrRemove(newValue, for: name)
            staleCount += (newValue == .stale ? 1 : 0) - (old == .stale ? 1 : 0)
            switch (old, newValue) {
            case (nil, .some): names.insert(name, at: position(after: name))
            case (.some, nil): names.remove(at: position(after: name) - 1)
            default: break
            }
        }
    }

    /// Replaces everything.
    mutating func replace(with entries: [(NamespaceName, Known)]) {
        known = Dictionary(entries, uniquingKeysWith: { $1 })
        names = known.keys.sorted()
        staleCount = known.values.count { $0 == .stale }
    }

    /// The names in `range` of which each begins with `prefix`, as the positions they have.
    func range(after: NamespaceName?, prefix: [UInt8]) -> Range<Int> {
        let start = prefix.isEmpty ? 0 : names.partitioningIndex { !$0.bytes.lexicographicallyPrecedes(prefix) }
        let end = prefix.isEmpty ? names.count : names.partitioningIndex { $0.bytes.isBeyond(prefix: prefix) }
        let first = after.map { max(start, position(after: $0)) } ?? start
        return first..<max(first, end)
    }

    /// Where a name that comes right after `name` would stand.
    private func position(after name: NamespaceName) -> Int {
        names.partitioningIndex { name < $0 }
    }
}

extension Dictionary {
    /// Sets or, for nil, removes a value; answers the one before.
    mutating func updateValueOrRemove(_ value: Value?, for key: Key) -> Value? {
        guard let value else { return removeValue(forKey: key) }
        return updateValue(value, forKey: key)
    }
}

extension [UInt8] {
    /// Whether this comes after everything that begins with `prefix`, in byte order.
    fileprivate func isBeyond(prefix: [UInt8]) -> Bool {
        !starts(with: prefix) && prefix.lexicographicallyPrecedes(self)
    }
}

extension [NamespaceName] {
    /// The first position whose element satisfies a condition that, along the sorted array, turns from false to true
    /// once.
    fileprivate func partitioningIndex(where condition: (NamespaceName) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if condition(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
