import LinuxKit

extension NamespaceManager {
    /// Changes labels and lease. A namespace that another tool made is ours to look after from then on.
    ///
    /// - Parameter authority: Who asks.
    /// - Throws: `.notFound`; `.changeForbidden`; `.stale` for a file; `.preconditionFailed`; `.notANamespace` for a
    ///   name that no record can have; `.invalidLabels`.
    package func update(
        _ name: NamespaceName, _ patch: Patch, if precondition: Precondition? = nil,
        by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> Namespace {
        try await holding(name) { () async throws(NamespaceError) in
            let namespace = try await self.existing(name)
            try authority.check(.change, on: namespace)
            guard let status = namespace.status else { throw Self.stale }
            try Self.check(precondition, on: namespace)
            var record =
                namespace.record
                ?? NamespaceRecord(
                    adopting: status.identity, at: self.clock.now, by: authority.owner, bootID: self.bootID)
            try self.apply(patch, to: &record)
            guard record != namespace.record else { return namespace }
            if namespace.record != nil {
                record.version += 1
            } else {
                await self.tellReplacement(of: name, by: .init(status))
            }
            return try await self.save(record, name, status, as: namespace.record == nil ? .adopted : .updated)
        }
    }

    static func check(_ precondition: Precondition?, on namespace: Namespace) throws(NamespaceError) {
        guard precondition?.holds(for: namespace) ?? true else {
            throw NamespaceError(
                .preconditionFailed,
                "The namespace is in another state than If-Match says; get it again, then decide anew.")
        }
    }

    /// Lets the lease start anew.
    ///
    /// - Throws: `.notFound`, `.changeForbidden`, `.preconditionFailed`, `.noLease`.
    package func renew(
        _ name: NamespaceName, if precondition: Precondition? = nil, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> Namespace {
        try await holding(name) { () async throws(NamespaceError) in
            let namespace = try await self.existing(name)
            try authority.check(.change, on: namespace)
            try Self.check(precondition, on: namespace)
            guard var record = namespace.record, let status = namespace.status, let lease = record.lease else {
                throw NamespaceError(.noLease, "The namespace has no lease to renew; PATCH it with one.")
            }
            record.lease = Lease(seconds: lease.seconds, from: self.clock.uptime)
            record.version += 1
            return try await self.save(record, name, status, as: .updated)
        }
    }

    private func apply(_ patch: Patch, to record: inout NamespaceRecord) throws(NamespaceError) {
        switch patch.labels {
        case .removeAll?: record.labels = Labels()
        case .merge(let changes)?:
            do throws(Labels.Violation) {
                record.labels = try record.labels.merging(changes)
            } catch {
                throw NamespaceError(.invalidLabels, error.rule)
            }
        case nil: break
        }
        switch patch.lease {
        case .pin?: record.lease = nil
        case .seconds(let seconds)?: record.lease = Lease(seconds: seconds, from: clock.uptime)
        case nil: break
        }
    }

    /// Writes the record, and only then believes it.
    private func save(
        _ record: NamespaceRecord, _ name: NamespaceName, _ status: NamespaceStatus, as kind: Event.Kind
    ) async throws(NamespaceError) -> Namespace {
        let store = store
        do throws(NamespaceError) {
            try await asWorker { () throws(SystemError) in
                CrashPoint.patchUnwritten.pass()
                try store.save(record, for: name)
                CrashPoint.patchWritten.pass()
            }
        } catch {
            tally.failed(kind == .adopted ? .adopt : .update, error)
            throw error
        }
        records[name] = record
        schedule(name, record.lease)
        let namespace = describe(name, status, record)
        events.append(kind, name, namespace)
        return namespace
    }
}
