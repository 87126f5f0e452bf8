package import LinuxKit

extension NamespaceManager {
    /// A page of everything in the directory, ours or not, in byte order of the names: at most `limit` names after
    /// `after`.
    package func list(limit: Int, after: NamespaceName? = nil) async throws(NamespaceError) -> NamespacePage {
        let names: [NamespaceName]
        let page: ArraySlice<NamespaceName>
        let entries: [NamespaceDirectory.Entry]
        do throws(SystemError) {
            names = try await kernel.names()
            let start = after.map { after in names.firstIndex(whereFrom: { $0 > after }) } ?? 0
            page = names[start...].prefix(limit)
            entries = try await kernel.inspect(Array(page))
        } catch {
            throw NamespaceError(error)
        }
        var namespaces: [Namespace] = []
        for (name, entry) in zip(page, entries) {
            // A file that looks stale may be half-way through a create or delete: look again when nobody works on it.
            let namespace = entry == .stale ? try? await self.namespace(name) : describe(name, entry)
            if let namespace { namespaces.append(namespace) }
        }
        return NamespacePage(
            namespaces: namespaces, total: names.count, next: page.endIndex < names.endIndex ? page.last : nil)
    }

    /// What an operator needs to know of the host.
    package func hostFacts() async throws(NamespaceError) -> HostFacts {
        do throws(SystemError) {
            return try await kernel.hostFacts()
        } catch {
            throw NamespaceError(error)
        }
    }
}

extension [NamespaceName] {
    /// The first index whose element satisfies a condition that, along the sorted array, turns from false to true once.
    fileprivate func firstIndex(whereFrom condition: (NamespaceName) -> Bool) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if condition(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
