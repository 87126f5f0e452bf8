import LinuxKit
import Logging

/// What a start found.
package struct Reconciliation: Sendable {
    /// The entries of the directory, ours or not.
    package var entries = 0
    package var created = 0
    package var adopted = 0
    package var external = 0
    package var stale = 0
    /// How many of ours have a lease.
    package var leases = 0
    /// Records of ours without their namespace, and what a crash left of it, now removed.
    package var undone = 0
    /// Records that could not be read.
    package var setAside = 0
}

extension NamespaceManager {
    /// Sets up the directory and brings the records of this boot and the directory together: finishes or undoes what a
    /// crash interrupted, resumes the leases, and touches nothing that has no record.
    ///
    /// Call ``stop()`` before letting go.
    ///
    /// - Parameter admit: Has the tenants find what they have, and admits them: from then on leases end, and what others
    ///   take away is told.
    /// - Returns: What was found and done.
    /// - Throws: `.directoryUnavailable` when the directory cannot be set up, `.storageFailure` and the like when the
    ///   records cannot be read. A directory that is not shared with the host is no reason not to start: the daemon
    ///   then says on `/readyz` what to change.
    @discardableResult
    package func start(
        admitting admit: @Sendable () async throws(NamespaceError) -> Void = {}
    ) async throws(NamespaceError) -> Reconciliation {
        var isShared = true
        do throws(NamespaceError) {
            try await inPreparedDirectory { (_) throws(SystemError) in }
        } catch  where error.code == .directoryNotShared {
            logger.error("not ready", metadata: ["reason": "\(error.message)"])
            isShared = false
        }
        let (contents, unfinished) = try await load()
        for path in contents.setAside {
            logger.warning("an unreadable record was set aside", metadata: ["path": "\(path)"])
        }
        if contents.unmoved > 0 {
            logger.warning(
                "unreadable records could not be set aside, and stay", metadata: ["count": "\(contents.unmoved)"])
        }
        records = NamespaceRecords(contents.records)
        try await survey()
        var result = Reconciliation(setAside: contents.setAside.count)
        // A directory that is not shared may hide mounts that the host has: what looks half-made here need not be.
        if isShared {
            result.undone = try await undoInterrupted(unfinished)
            result.undone += try await finishDeletions()
        }
        await surveyDNS(isShared: isShared)
        do throws(SystemError) {
            try await answers.load(records.all)
        } catch {
            throw NamespaceError(error)
        }
        try await admit()
        for (name, record) in records.all { schedule(name, record.lease) }
        count(&result)
        // Last: its first report is a sweep, which tells what others have done since the survey.
        try startWatching()
        return result
    }

    /// Stops following the directory, and ends no lease any more.
    package func stop() async {
        events.close()
        leaseTimer?.cancel()
        watching?.cancel()
        await kernel.stopWatching()
    }

    private func load() async throws(NamespaceError) -> (RecordStore.Contents, Set<String>) {
        let (store, journal, bootID) = (store, journal, bootID)
        return try await asWorker { () throws(SystemError) in
            (try store.load(bootID: bootID), try journal.unfinished())
        }
    }

    /// Fills the index, without telling anyone of what was there before us.
    private func survey() async throws(NamespaceError) {
        guard case .swept(let observations) = try await changes() else { return }
        index.replace(
            with: observations.compactMap { observation in
                guard let name = NamespaceName(bytes: observation.name),
                    let known = NamespaceIndex.Known(observation.seen)
                else { return nil }
                return (name, known)
            })
    }

    /// Undoes every record that is not of a whole namespace, and the unfinished batches; answers how many.
    private func undoInterrupted(_ unfinished: Set<String>) async throws(NamespaceError) -> Int {
        let recorded = records.all.keys.sorted()
        var interrupted: [(name: NamespaceName, isOurs: Bool)] = []
        for (name, entry) in zip(recorded, try await inspect(recorded)) {
            switch entry {
            case .stale:
                // We announced it, and it is not mounted: a create that did not get to its mount, or a delete that did
                // not get past its unmount.
                interrupted.append((name, true))
            case .namespace(let status) where records[name]?.describes(status.identity) ?? false:
                // Ours and whole, unless its batch is not.
                if let batch = records[name]?.batch, unfinished.contains(batch) { interrupted.append((name, true)) }
            case .absent, .namespace:
                // Gone, or another tool's by now; only the record is ours.
                interrupted.append((name, false))
            }
        }
        var left: Set<String> = []
        for (name, isOurs) in interrupted {
            do throws(NamespaceError) {
                try await holding(name) { () async throws(NamespaceError) in
                    if isOurs { try await self.undo(name) } else { try await self.forget(name) }
                }
            } catch {
                // Without its state the daemon could promise nothing.
                if error.code == .storageFailure { throw error }
                // Tried again at the next start; meanwhile it can be listed and deleted.
                logger.error(
                    "what a crash left could not be removed", metadata: ["name": "\(name)", "error": "\(error)"])
                if let batch = records[name]?.batch { left.insert(batch) }
            }
        }
        let (journal, ended) = (journal, unfinished.subtracting(left))
        try await asWorker { () throws(SystemError) in
            for batch in ended { try journal.end(batch) }
        }
        return interrupted.count
    }

    /// Takes away the files that are left of other tools' namespaces whose deletion had got that far; answers how many.
    private func finishDeletions() async throws(NamespaceError) -> Int {
        let store = store
        var count = 0
        let names = try await asWorker { () throws(SystemError) in try store.interruptedDeletions() }
        for name in names where index[name] == .stale {
            // Mounted, it had not begun, or the name is of another namespace by now.
            do throws(NamespaceError) {
                let isRemoved = try await holding(name) { () async throws(NamespaceError) in
                    try await self.unmakeStale(name)
                }
                if isRemoved { count += 1 }
            } catch {
                logger.error(
                    "what a crash left could not be removed", metadata: ["name": "\(name)", "error": "\(error)"])
            }
        }
        try await asWorker { () throws(SystemError) in
            for name in names { try store.unmarkDeletion(of: name) }
        }
        return count
    }

    /// Removes what a crash left of ours: a whole namespace of an unfinished batch, or a file that is none.
    private func undo(_ name: NamespaceName) async throws(NamespaceError) {
        guard index[name] == .stale else {
            _ = try await unmake(name)
            return
        }
        // A directory, or a namespace that another tool has mounted there meanwhile: only the record is ours.
        do throws(NamespaceError) {
            guard try await !unmakeStale(name) else { return }
        } catch  where error.code == .notANamespace {
            logger.warning("a directory has a recorded name", metadata: ["name": "\(name)"])
        }
        try await forget(name)
    }

    private func count(_ result: inout Reconciliation) {
        result.entries = index.count
        for name in index.names {
            switch (index[name], records[name]?.origin) {
            case (.stale, _): result.stale += 1
            case (_, .created): result.created += 1
            case (_, .adopted): result.adopted += 1
            default: result.external += 1
            }
        }
        result.leases = records.all.values.count { $0.lease != nil }
    }
}
