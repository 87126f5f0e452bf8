import LinuxKit
import Logging
import SystemPackage

extension NamespaceManager {
    /// Deletes a name, whoever made it and whatever it is: all mounts stacked on it, the file, the record.
    ///
    /// Processes inside keep the namespace alive without a name, unless `ifUnused` refuses to delete then.
    ///
    /// - Throws: `.notFound`; `.deletionForbidden`; `.preconditionFailed`; `.inUse` with the processes; `.busy` when the file stays held for a
    ///   second; `.notANamespace` for a directory.
    package func delete(
        _ name: NamespaceName, ifUnused: Bool = false, if precondition: Precondition? = nil,
        by authority: Authority = .unlimited
    ) async throws(NamespaceError) {
        try await holding(name) { () async throws(NamespaceError) in
            var meant: Namespace?
            if ifUnused || precondition != nil || !authority.isUnlimited {
                let namespace = try await self.existing(name)
                try authority.check(.delete, on: namespace)
                try Self.check(precondition, on: namespace)
                if ifUnused { try await self.refuseUsed(namespace) }
                meant = namespace
            }
            guard try await self.remove(name, meaning: meant) else { throw Self.notFound }
            self.logger.debug("namespace deleted", metadata: ["name": "\(name)"])
        }
    }

    /// Throws `.inUse` when processes are inside.
    func refuseUsed(_ namespace: Namespace) async throws(NamespaceError) {
        guard let identity = namespace.status?.identity else { return }
        let processes: [Int32]
        do throws(SystemError) {
            processes = try await kernel.processes(in: identity)
        } catch {
            throw NamespaceError(error)
        }
        guard processes.isEmpty else {
            throw NamespaceError(
                .inUse, "Processes are inside; end them, or delete without ifUnused.", processes: processes)
        }
    }

    /// Removes what has the name, and tells of it; false says that nothing had it. Call it while holding the name.
    ///
    /// - Parameter meant: What a decision to delete was made on. Should another tool put another namespace in its place
    ///   while the tenants leave, which plugins may take a minute for, that one stays, and false is the answer.
    func remove(
        _ name: NamespaceName, as kind: Event.Kind = .deleted, meaning meant: Namespace? = nil
    ) async throws(NamespaceError) -> Bool {
        let wasKnown = index[name] != nil && !unannounced.contains(name)
        let existed: Bool
        do throws(NamespaceError) {
            let hasTenants = tenants.contains { $0.isIn(name) }
            try await evict(from: name)
            // The watcher's report of it waits until the name is free.
            if hasTenants, let meant, try await isReplaced(meant) { return false }
            existed = try await unmake(name)
        } catch {
            // The end of a lease has its own count.
            if kind == .deleted { tally.failed(.delete, error) }
            throw error
        }
        // Another tool was faster, and its watcher's report will find that we know already.
        if existed || wasKnown { events.append(existed ? kind : .vanished, name, nil) }
        await tellLoss(of: name)
        return existed
    }

    private func isReplaced(_ namespace: Namespace) async throws(NamespaceError) -> Bool {
        guard let before = namespace.status, let now = try await look(at: namespace.name)?.status else { return false }
        return !now.identity.isSame(as: before.identity)
    }

    /// Removes what has the name, and its record; false says that nothing had it. Call it while holding the name.
    func unmake(_ name: NamespaceName) async throws(NamespaceError) -> Bool {
        // After a crash, what is left of ours is known by its record; of another tool's namespace nothing else tells.
        guard case .namespace? = index[name], records[name] == nil, RecordStore.canMark(name) else {
            return try await unlink(name)
        }
        let store = store
        await attempt { () throws(SystemError) in try store.markDeletion(of: name) }
        let existed = await Result { () async throws(NamespaceError) in try await unlink(name) }
        await attempt { () throws(SystemError) in try store.unmarkDeletion(of: name) }
        return try existed.get()
    }

    /// Does what a deletion goes on without.
    private func attempt(_ body: @escaping @Sendable () throws(SystemError) -> Void) async {
        do throws(NamespaceError) {
            try await asWorker(body)
        } catch {
            logger.warning("a deletion goes on without its mark", metadata: ["error": "\(error)"])
        }
    }

    private func unlink(_ name: NamespaceName) async throws(NamespaceError) -> Bool {
        let (store, logger) = (store, logger)
        let dnsFiles = dnsOwners[name] == nil ? nil : dnsFiles
        let giveUp = ContinuousClock.now + .seconds(1)
        while true {
            do throws(SystemError) {
                let existed = try await kernel.remove(name) {
                    do throws(SystemError) {
                        try store.remove(name)
                    } catch {
                        // What was asked for is done. The next start finds a record without a namespace, and removes
                        // it.
                        logger.warning("a record could not be removed", metadata: ["error": "\(error)"])
                    }
                    dnsFiles?.drop(name, logger: logger)
                }
                records[name] = nil
                dnsOwners[name] = nil
                index[name] = nil
                unannounced.remove(name)
                return existed
            } catch {
                switch (error.operation, error.errno) {
                case (.unlink, .resourceBusy) where ContinuousClock.now < giveUp:
                    // Still mounted in another mount namespace, for a moment. Nobody cancels us: see MicroHTTP.
                    try? await Task.sleep(for: .milliseconds(10))
                case (.unlink, .resourceBusy):
                    throw NamespaceError(
                        .busy, "The file is held by a mount in another mount namespace; try again later.", cause: error)
                case (.unlink, .isDirectory), (.unlink, .notPermitted):
                    throw Self.noFile(error)
                default:
                    throw NamespaceError(error)
                }
            }
        }
    }

    /// Removes a file that is no namespace, and its record; false says that it is gone, or a namespace by now. Call it
    /// while holding the name.
    func unmakeStale(_ name: NamespaceName) async throws(NamespaceError) -> Bool {
        let existed: Bool
        do throws(SystemError) {
            existed = try await kernel.removeStale(name)
        } catch  where error.operation == .unlink {
            throw Self.noFile(error)
        } catch {
            throw NamespaceError(error)
        }
        guard existed else { return false }
        index[name] = nil
        unannounced.remove(name)
        if dnsOwners[name] != nil { await dropDNS(of: name) }
        try await forget(name)
        return true
    }

    /// Throws what deleting a directory would.
    func refuseDirectory(_ name: NamespaceName) async throws(NamespaceError) {
        do throws(SystemError) {
            try await kernel.refuseDirectory(name)
        } catch {
            throw Self.noFile(error)
        }
    }

    private static func noFile(_ cause: SystemError) -> NamespaceError {
        NamespaceError(
            .notANamespace, "The entry is no file, and so no namespace; remove it by hand.", cause: cause)
    }

    /// Removes the record alone: what it described is gone, or another tool's by now.
    func forget(_ name: NamespaceName) async throws(NamespaceError) {
        guard records[name] != nil else { return }
        records[name] = nil
        let store = store
        try await asWorker { () throws(SystemError) in try store.remove(name) }
    }
}
