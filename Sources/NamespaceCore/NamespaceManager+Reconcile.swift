import LinuxKit
import Logging

/// What a start found.
package struct Reconciliation: Sendable {
    /// The entries of the directory, ours or not.
    package let entries: Int
    /// Those of them that we created.
    package let created: Int
    /// Records of ours without their namespace, and what a crash left of it, now removed.
    package let undone: Int
}

extension NamespaceManager {
    /// Sets up the directory and brings the records of this boot and the directory together: finishes or undoes what a
    /// crash interrupted, and touches nothing that has no record.
    ///
    /// - Returns: What was found and done.
    /// - Throws: `.directoryUnavailable` when the directory cannot be set up, `.storageFailure` and the like when the
    ///   records cannot be read. A directory that is not shared with the host is no reason not to start: the daemon then
    ///   says on `/readyz` what to change.
    @discardableResult
    package func start() async throws(NamespaceError) -> Reconciliation {
        var isShared = true
        do throws(NamespaceError) {
            try await inPreparedDirectory { (_) throws(SystemError) in }
        } catch  where error.code == .directoryNotShared {
            logger.error("not ready", metadata: ["reason": "\(error.message)"])
            isShared = false
        }
        let contents: RecordStore.Contents
        let entries: [NamespaceDirectory.Entry]
        let recorded: [NamespaceName]
        do throws(SystemError) {
            let (store, bootID) = (store, bootID)
            contents = try await kernel.blocking { () throws(SystemError) in try store.load(bootID: bootID) }
            recorded = contents.records.keys.sorted()
            entries = try await kernel.inspect(recorded)
        } catch {
            throw NamespaceError(error)
        }
        for path in contents.setAside {
            logger.warning("an unreadable record was set aside", metadata: ["path": "\(path)"])
        }
        records = contents.records
        var undone = 0
        // A directory that is not shared may hide mounts that the host has: what looks half-made here need not be.
        for (name, entry) in zip(recorded, entries) where isShared && !isWhole(name, entry) {
            try await holding(name) { () async throws(NamespaceError) in try await self.undo(name, entry) }
            undone += 1
        }
        let entryCount: Int
        do throws(SystemError) {
            entryCount = try await kernel.names().count
        } catch {
            throw NamespaceError(error)
        }
        return Reconciliation(entries: entryCount, created: records.count, undone: undone)
    }

    private func isWhole(_ name: NamespaceName, _ entry: NamespaceDirectory.Entry) -> Bool {
        guard case .namespace(let status) = entry else { return false }
        return records[name]?.describes(status.identity) ?? false
    }

    private func undo(_ name: NamespaceName, _ entry: NamespaceDirectory.Entry) async throws(NamespaceError) {
        switch entry {
        case .stale:
            // We announced it, and it is not mounted: a create that did not get to its mount, or a delete that did not
            // get past its unmount.
            _ = try await unmake(name)
        case .absent, .namespace:
            // Gone, or another tool's by now; only the record is ours.
            let store = store
            records[name] = nil
            do throws(SystemError) {
                try await kernel.blocking { () throws(SystemError) in try store.remove(name) }
            } catch {
                throw NamespaceError(error)
            }
        }
    }
}
