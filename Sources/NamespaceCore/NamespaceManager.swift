import HeapModule
import LinuxKit
package import Logging
import SystemPackage

/// The one writer of the mount directory in this process.
///
/// It reserves the name, hands the job to the kernel's workers, waits, records, publishes the change, and never blocks.
/// It serializes the directory's set-up within the process; `flock` does that between processes.
package actor NamespaceManager {
    let kernel: any NamespaceKernel
    let store: RecordStore
    let journal: BatchJournal
    let dnsFiles: DNSFiles
    let bootID: String
    let clock: any NamespaceClock
    let logger: Logger
    /// The changes, for those who follow them.
    package nonisolated let events: EventLog
    /// The answers to requests that are safe to retry.
    package nonisolated let answers: AnswerStore
    /// What failed.
    package nonisolated let tally = Tally()
    /// Called when a lease that ended was acted on.
    let leaseEnded: LeaseEnded

    var records = NamespaceRecords()
    var reservations = Reservations()
    var index = NamespaceIndex()
    /// Names that others seemed to change while we worked on them; looked at again afterwards.
    var doubtful: Set<NamespaceName> = []
    /// Names that are held by nobody but a look at what others did, which is soon over.
    var checking: Set<NamespaceName> = []
    /// Files that were found before they could have been mounted on: listed, but not told of until the watcher, which
    /// waits for that, has found them too.
    var unannounced: Set<NamespaceName> = []
    /// Names that have changed and are to be looked at before anything is told of the directory.
    var unchecked: Set<NamespaceName> = []
    /// Who waits to ask what has changed; nil while nobody asks.
    var askers: [CheckedContinuation<Void, Never>]?
    var leases = LeaseQueue()
    var leaseTimer: Task<Void, Never>?
    var watching: Task<Void, Never>?
    /// The namespaces for which there are files of ours, by what the name stood for.
    var dnsOwners: [NamespaceName: NamespaceIndex.Known] = [:]

    var creationsInProgress = 0
    var tenants: [any NamespaceTenant] = []

    private var names = NameQueue()
    private var wallClock = WallClock()
    /// The mount directory's mount id, once it is set up.
    private var mountID: UInt64?
    private var preparation: Task<Result<UInt64, NamespaceError>, Never>?
    private var probing: Task<Result<Void, NamespaceError>, Never>?

    package init(
        kernel: any NamespaceKernel, store: RecordStore, journal: BatchJournal, answers: AnswerStore, dns: DNSFiles,
        bootID: String, clock: any NamespaceClock = HostClock(), logger: Logger,
        leaseEnded: @escaping LeaseEnded = { (_, _, _) in }
    ) {
        self.kernel = kernel
        self.store = store
        self.journal = journal
        dnsFiles = dns
        self.answers = answers
        self.bootID = bootID
        self.clock = clock
        self.logger = logger
        self.leaseEnded = leaseEnded
        events = EventLog(clock: clock)
    }

    /// The namespace of that name, once nobody is working on it.
    ///
    /// - Throws: `.notFound`.
    package func namespace(_ name: NamespaceName) async throws(NamespaceError) -> Namespace {
        try await holding(name) { () async throws(NamespaceError) in try await self.existing(name) }
    }

    /// Returns when the manager has a moment: a sign of life.
    package func answer() {}

    /// A moment, as far as what is answered is concerned: while it is the same, so is every answer, but for the time.
    package struct Moment: Sendable, Equatable {
        let changes: UInt64
        let revision: Revision
    }

    /// Now; nil where changes by others would go unnoticed. Does not block.
    package nonisolated var moment: Moment? {
        kernel.changeCount.map { Moment(changes: $0, revision: events.newest) }
    }

    /// The mount directory's resolved path.
    package nonisolated var directory: String { kernel.directory }

    static let notFound = NamespaceError(.notFound, "There is no entry of this name in the mount directory.")
}

// MARK: - Looking

extension NamespaceManager {
    /// What is at a name now; nil when nothing is. Call it while holding the name.
    func look(at name: NamespaceName) async throws(NamespaceError) -> Namespace? {
        do throws(SystemError) {
            return describe(name, try await kernel.inspect([name])[0])
        } catch {
            throw NamespaceError(error)
        }
    }

    /// As ``look(at:)``, but nothing is an error.
    func existing(_ name: NamespaceName) async throws(NamespaceError) -> Namespace {
        guard let namespace = try await look(at: name) else { throw Self.notFound }
        return namespace
    }

    /// nil when nothing has the name.
    func describe(_ name: NamespaceName, _ entry: NamespaceDirectory.Entry) -> Namespace? {
        switch entry {
        case .absent:
            nil
        case .stale:
            Namespace(name: name, path: path(of: name), status: nil, record: nil, expiresAt: nil)
        case .namespace(let status):
            describe(name, status, record(of: name, for: status))
        }
    }

    func describe(_ name: NamespaceName, _ status: NamespaceStatus, _ record: NamespaceRecord?) -> Namespace {
        Namespace(
            name: name, path: path(of: name), status: status, record: record,
            expiresAt: record?.lease.map { wallClock.time(at: $0.deadline, by: clock) })
    }

    /// Our record, if it is of this very namespace and not of an earlier one of the name.
    private func record(of name: NamespaceName, for status: NamespaceStatus) -> NamespaceRecord? {
        guard let record = records[name], record.describes(status.identity) else { return nil }
        return record
    }

    private func path(of name: NamespaceName) -> String { "\(kernel.directory)/\(name)" }
}

/// Tells moments of uptime as times of the wall clock: the same moment always as the same time, unless the clock is
/// set.
private struct WallClock {
    private var offset: Int64?

    mutating func time(at uptime: Duration, by clock: any NamespaceClock) -> Timestamp {
        let current = clock.now.milliseconds - clock.uptime.milliseconds
        let offset = self.offset.flatMap { abs($0 - current) < 1000 ? $0 : nil } ?? current
        self.offset = offset
        return Timestamp(milliseconds: uptime.milliseconds + offset)
    }
}

// MARK: - Serialization

extension NamespaceManager {
    /// Runs `body` while no other operation on `name` runs.
    func holding<Value: Sendable>(
        _ name: NamespaceName, _ body: () async throws(NamespaceError) -> Value
    ) async throws(NamespaceError) -> Value {
        // Not `take`: an asynchronous call costs as much as the rest of this.
        if !names.take(name) { await wait(for: name) }
        defer { release(name) }
        return try await body()
    }

    /// Waits until nobody works on the name, and keeps others from it until ``release(_:)``.
    func take(_ name: NamespaceName) async {
        if !names.take(name) { await wait(for: name) }
    }

    private func wait(for name: NamespaceName) async {
        await withCheckedContinuation { names.wait(for: name, $0) }
    }

    func release(_ name: NamespaceName) {
        names.release(name)
        if !doubtful.isEmpty, doubtful.remove(name) != nil { checkLater(name) }
    }

    func isHeld(_ name: NamespaceName) -> Bool { names.isTaken(name) }

    /// Runs `body` with the directory set up, once more if the directory turns out to have gone in between.
    func inPreparedDirectory<Value: Sendable>(
        _ body: (UInt64) async throws(SystemError) -> Value
    ) async throws(NamespaceError) -> Value {
        var attempts = 3
        while true {
            attempts -= 1
            // Not `prepare` alone, for the same reason as in `holding`.
            let mountID = if let mountID { mountID } else { try await prepare() }
            do throws(SystemError) {
                return try await body(mountID)
            } catch  where error.operation == .verifyDirectory && attempts > 0 {
                logger.warning("the mount directory is gone and is set up again", metadata: ["cause": "\(error)"])
                // Unless another request has found so, and set it up again.
                if self.mountID == mountID { self.mountID = nil }
            } catch {
                throw NamespaceError(error)
            }
        }
    }

    /// The mount directory's mount id. Concurrent callers share one set-up; a failed one is tried again by the next.
    func prepare() async throws(NamespaceError) -> UInt64 {
        if let mountID { return mountID }
        let task = preparation ?? Task { [kernel] in await Self.prepare(kernel) }
        preparation = task
        let result = await task.value
        if preparation == task {
            preparation = nil
            mountID = try? result.get()
        }
        return try result.get()
    }

    private static func prepare(_ kernel: any NamespaceKernel) async -> Result<UInt64, NamespaceError> {
        do throws(SystemError) {
            let before = try await kernel.propagation()
            // Asked before anything is mounted: a private mount namespace would keep our mount to itself, and its peer
            // group with it.
            if before.isVisibleToHost == false {
                return .failure(
                    NamespaceError(
                        .directoryNotShared,
                        """
                        \(kernel.directory) is not a mount shared with the host, so namespaces made here would be \
                        invisible to it. Run the daemon in the host's mount namespace (no PrivateTmp, ProtectSystem, \
                        PrivateMounts or ReadWritePaths in its unit), or share the directory's mount with it (rshared).
                        """))
            }
            return .success(try await kernel.prepareDirectory())
        } catch {
            return .failure(
                NamespaceError(.directoryUnavailable, "The mount directory cannot be set up.", cause: error))
        }
    }

    /// Throws what would keep a namespace from being created now. Concurrent callers share one probe, since it costs a
    /// namespace.
    package func checkReadiness() async throws(NamespaceError) {
        let task = probing ?? Task { await self.probe() }
        probing = task
        let result = await task.value
        if probing == task { probing = nil }
        try result.get()
    }

    private func probe() async -> Result<Void, NamespaceError> {
        do throws(NamespaceError) {
            let kernel = kernel
            try await inPreparedDirectory { (mountID) async throws(SystemError) in
                try await kernel.probe(mountID: mountID)
            }
            return .success(())
        } catch {
            tally.failed(.probe, error)
            return .failure(error)
        }
    }
}
