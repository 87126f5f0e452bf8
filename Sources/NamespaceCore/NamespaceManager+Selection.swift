import LinuxKit

/// What was done to many names at once.
package struct BulkDeletion: Sendable {
    package var deleted: [NamespaceName] = []
    package var failed: [(name: NamespaceName, error: NamespaceError)] = []
}

extension NamespaceManager {
    /// Deletes every namespace that is meant, or only tells which ones; those that `authority` does not reach fail.
    package func delete(
        _ selector: Selector, ifUnused: Bool = false, dryRun: Bool = false, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> BulkDeletion {
        try await takeInChanges()
        return await forEach(matches(selector)) { (name) async throws(NamespaceError) in
            try await self.delete(name, ifUnused: ifUnused, dryRun: dryRun, by: authority) { namespace in
                selector.matches(state: namespace.state, record: namespace.record)
            }
        }
    }

    /// Removes every entry that is no namespace, or only tells which ones. Directories and the like are left alone, and
    /// so is what another tool is about to mount a namespace on.
    package func prune(dryRun: Bool = false) async throws(NamespaceError) -> BulkDeletion {
        try await takeInChanges()
        var selector = Selector()
        selector.state = .stale
        let names = matches(selector)
        // From a file to the mount on it is less than a millisecond for any tool.
        if !names.isEmpty { try? await Task.sleep(for: .milliseconds(50)) }
        return await forEach(names) { (name) async throws(NamespaceError) in
            try await self.holding(name) { () async throws(NamespaceError) in
                guard try await self.look(at: name)?.state == .stale else { return false }
                if dryRun {
                    try await self.refuseDirectory(name)
                    return true
                }
                do throws(NamespaceError) {
                    guard try await self.unmakeStale(name) else { return false }
                } catch {
                    self.tally.failed(.delete, error)
                    throw error
                }
                self.events.append(.deleted, name, nil)
                return true
            }
        }
    }

    private func forEach(
        _ names: [NamespaceName], _ body: @escaping @Sendable (NamespaceName) async throws(NamespaceError) -> Bool
    ) async -> BulkDeletion {
        let outcomes = await concurrently(names) { name in
            await Result { () async throws(NamespaceError) in try await body(name) }
        }
        var result = BulkDeletion()
        for (name, outcome) in zip(names, outcomes) {
            switch outcome {
            case .success(true): result.deleted.append(name)
            case .success(false): break
            case .failure(let error): result.failed.append((name, error))
            }
        }
        return result
    }

    /// False says that there is nothing of the name, or by now something else than what is meant.
    private func delete(
        _ name: NamespaceName, ifUnused: Bool, dryRun: Bool, by authority: Authority,
        where isMeant: @escaping @Sendable (Namespace) -> Bool
    ) async throws(NamespaceError) -> Bool {
        try await holding(name) { () async throws(NamespaceError) in
            guard let namespace = try await self.look(at: name), isMeant(namespace) else { return false }
            try authority.check(.delete, on: namespace)
            if ifUnused { try await self.refuseUsed(namespace) }
            guard !dryRun else {
                try await self.refuseDirectory(name)
                return true
            }
            return try await self.remove(name, meaning: namespace)
        }
    }

    /// The names that are meant, in byte order, as far as the index and the records tell.
    func matches(_ selector: Selector) -> [NamespaceName] {
        let range = index.range(after: nil, prefix: selector.prefix)
        guard !selector.isByName else { return Array(index.names[range]) }
        return index.names[range].filter { name in
            let state: Namespace.State = index[name] == .stale ? .stale : .ready
            return selector.matches(state: state, record: state == .stale ? nil : records[name])
        }
    }
}
