import API
import CNI
import LinuxKit
import Logging
import NamespaceCore
import SystemPackage
import Wiring

/// Who owns namespaces and what is in them.
struct Core {
    let manager: NamespaceManager
    let hostLinks: HostLinks
    let wires: WireManager
    let attachments: Attachments
    let watch: LinkWatch

    /// Puts them together; nothing is read or done before ``start()``.
    ///
    /// - Parameter audit: Where the ends of leases are recorded, nil for nowhere.
    init(
        _ settings: Settings, store: RecordStore, kernel: LinuxKernel, audit: AuditLog?, logger: Logger
    ) throws {
        let state = FilePath(settings.stateDirectory)
        let bootID = try HostFacts.bootID()
        manager = NamespaceManager(
            kernel: kernel, store: store, journal: try BatchJournal(directory: state),
            answers: try AnswerStore(directory: state, kernel: kernel, bootID: bootID),
            dns: DNSFiles(directory: FilePath(settings.etcDirectory), namespaces: kernel.directory), bootID: bootID,
            logger: logger, leaseEnded: { audit?.recordLeaseEnd($0, $1, $2) })
        wires = try WireManager(manager: manager, stateDirectory: state, bootID: bootID, logger: logger)
        attachments = Attachments(
            manager: manager, networks: Networks(settings.networks.configuration, logger: logger), logger: logger)
        hostLinks = try HostLinks(manager: manager, stateDirectory: state, bootID: bootID, logger: logger)
        watch = LinkWatch(manager: manager, logger: logger)
    }

    /// Reads what an earlier daemon has left, and finishes or undoes what it was at.
    ///
    /// - Returns: What was found and done about the namespaces.
    func start() async throws(NamespaceError) -> Reconciliation {
        try await manager.start { () async throws(NamespaceError) in
            try await hostLinks.start()
            try await wires.start()
            await attachments.start()
            await manager.admit(watch)
        }
    }

    /// Lets what is under way end; the namespaces stay.
    func stop() async {
        await manager.stop()
        await attachments.stop()
    }
}
