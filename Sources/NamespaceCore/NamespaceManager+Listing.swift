package import LinuxKit

extension NamespaceManager {
    /// A page of what is meant of the directory, ours or not, in byte order of the names: at most `limit` names after
    /// `after`. Without a filter by more than the name, what it costs depends on the page alone.
    package func list(
        _ selector: Selector = Selector(), limit: Int, after: NamespaceName? = nil
    ) async throws(NamespaceError) -> NamespacePage {
        try await takeInChanges()
        let after = after.map(present)
        let revision = events.newest
        let total: Int
        let rest: ArraySlice<NamespaceName>
        if selector.isByName {
            total = index.range(after: nil, prefix: selector.prefix).count
            rest = index.names[index.range(after: after, prefix: selector.prefix)]
        } else {
            let names = matches(selector)
            total = names.count
            rest = after.map { after in names.drop { $0 <= after } } ?? names[...]
        }
        let page = Array(rest.prefix(limit))
        var namespaces: [Namespace] = []
        namespaces.reserveCapacity(page.count)
        for (name, entry) in zip(page, try await inspect(page)) {
            // A file that looks stale may be half-way through a delete: look again when nobody works on it.
            let namespace =
                entry == .stale && isHeld(name)
                ? try? await holding(name, { () async throws(NamespaceError) in try await self.look(at: name) })
                : describe(name, entry)
            if let namespace, selector.matches(state: namespace.state, record: namespace.record) {
                namespaces.append(namespace)
            }
        }
        return NamespacePage(
            namespaces: namespaces, total: total, next: rest.count > page.count ? page.last : nil, revision: revision)
    }

    /// The name that a page's `next` stands for, which is percent-encoded where the name is not UTF-8.
    private func present(_ name: NamespaceName) -> NamespaceName {
        guard index[name] == nil, name.bytes.contains(UInt8(ascii: "%")) else { return name }
        let text = String(decoding: name.bytes, as: UTF8.self)
        return index.names.first { $0.description == text } ?? name
    }

    /// Looks at many names, with all workers.
    func inspect(_ names: [NamespaceName]) async throws(NamespaceError) -> [NamespaceDirectory.Entry] {
        let width = 50
        let kernel = kernel
        let results = await concurrently(names.chunks(of: width), priority: .interactive) { chunk in
            await Result { () async throws(SystemError) in try await kernel.inspect(chunk) }
        }
        var entries: [NamespaceDirectory.Entry] = []
        entries.reserveCapacity(names.count)
        for result in results {
            do throws(SystemError) {
                entries += try result.get()
            } catch {
                throw NamespaceError(error)
            }
        }
        return entries
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
