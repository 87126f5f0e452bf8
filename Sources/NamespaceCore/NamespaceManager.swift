import LinuxKit
package import Logging
import SystemPackage

/// The one writer of the mount directory in this process.
///
/// It reserves the name, hands the job to the kernel's workers, waits, records, and never blocks. It serializes the
/// directory's set-up within the process; `flock` does that between processes.
package actor NamespaceManager {
    let kernel: any NamespaceKernel
    let store: RecordStore
    let bootID: String
    let logger: Logger
    private let now: @Sendable () -> Timestamp

    var records: [NamespaceName: NamespaceRecord] = [:]
    private var names = NameQueue()
    private var preparation: Task<Result<UInt64, NamespaceError>, Never>?
    private var probing: Task<Result<Void, NamespaceError>, Never>?

    package init(
        kernel: any NamespaceKernel, store: RecordStore, bootID: String, logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp(milliseconds: SystemTime.wallMilliseconds) }
    ) {
        self.kernel = kernel
        self.store = store
        self.bootID = bootID
        self.logger = logger
        self.now = now
    }

    /// Makes a namespace of that name.
    ///
    /// - Throws: `.nameTaken` when anything has the name, and what the kernel has against it.
    package func create(_ name: NamespaceName, loopback: Loopback) async throws(NamespaceError) -> Namespace {
        try await holding(name) { () async throws(NamespaceError) in try await self.make(name, loopback: loopback) }
    }

    /// Makes a namespace with a generated name that begins with `prefix`.
    package func create(prefix: String, loopback: Loopback) async throws(NamespaceError) -> Namespace {
        // 128 random bits do not collide by chance; a few tries cover a name that somebody guessed from a log.
        for _ in 0..<4 {
            guard let name = NamespaceName.generate(prefix: prefix) else { break }
            do throws(NamespaceError) {
                return try await create(name, loopback: loopback)
            } catch  where error.code == .nameTaken {
                continue
            }
        }
        throw NamespaceError(.nameTaken, "No free name could be generated; try another namePrefix.")
    }

    /// Makes the namespace unless it is there as asked for; tells which.
    ///
    /// - Throws: `.differs` when one of the name is there and different, `.stale` when there is only a file.
    package func ensure(
        _ name: NamespaceName, loopback: Loopback
    ) async throws(NamespaceError) -> (namespace: Namespace, isNew: Bool) {
        try await holding(name) { () async throws(NamespaceError) in
            guard let existing = try await self.look(at: name) else {
                return (try await self.make(name, loopback: loopback), true)
            }
            guard let status = existing.status else {
                throw NamespaceError(
                    .stale, "A file of this name is no mounted network namespace; delete it, then ask again.")
            }
            // What was asked for, not what the interface is now, decides whether this is the same request again.
            let asked = self.record(of: name, for: status)?.loopback
            let current = asked ?? (status.isLoopbackUp ? .up : .down)
            guard current == loopback else {
                throw NamespaceError(
                    .differs,
                    "The namespace exists with loopback \(current.rawValue), not \(loopback.rawValue); delete it first."
                )
            }
            return (existing, false)
        }
    }

    /// The namespace of that name, once nobody is working on it.
    ///
    /// - Throws: `.notFound`.
    package func namespace(_ name: NamespaceName) async throws(NamespaceError) -> Namespace {
        let namespace = try await holding(name) { () async throws(NamespaceError) in try await self.look(at: name) }
        guard let namespace else { throw Self.notFound }
        return namespace
    }

    /// Deletes a name, whoever made it and whatever it is: all mounts stacked on it, the file, the record.
    ///
    /// Processes inside keep the namespace alive without a name, unless `ifUnused` refuses to delete then.
    ///
    /// - Throws: `.notFound`; `.inUse` with the processes; `.busy` when the file stays held for a second;
    ///   `.notANamespace` for a directory.
    package func delete(_ name: NamespaceName, ifUnused: Bool = false) async throws(NamespaceError) {
        try await holding(name) { () async throws(NamespaceError) in
            if ifUnused { try await self.refuseUsed(name) }
            guard try await self.unmake(name) else { throw Self.notFound }
            self.logger.debug("namespace deleted", metadata: ["name": "\(name)"])
        }
    }

    static let notFound = NamespaceError(.notFound, "There is no entry of this name in the mount directory.")
}

// MARK: - Steps, each run while holding the name

extension NamespaceManager {
    private func make(_ name: NamespaceName, loopback: Loopback) async throws(NamespaceError) -> Namespace {
        let (createdAt, bootID, store, kernel, logger) = (now(), bootID, store, kernel, logger)
        let record = { @Sendable (identity: NamespaceIdentity) in
            NamespaceRecord(createdAt: createdAt, loopback: loopback, identity: identity, bootID: bootID)
        }
        let status = try await inPreparedDirectory { (mountID) async throws(SystemError) in
            try await kernel.create(
                name, loopback: loopback, mountID: mountID,
                announce: { (identity) throws(SystemError) in
                    try store.save(record(identity), for: name)
                },
                withdraw: {
                    do throws(SystemError) {
                        try store.remove(name)
                    } catch {
                        // The next start finds a record without a namespace, and removes it.
                        logger.warning("a record could not be withdrawn", metadata: ["error": "\(error)"])
                    }
                })
        }
        records[name] = record(status.identity)
        logger.debug("namespace created", metadata: ["name": "\(name)", "inode": "\(status.identity.inode)"])
        return Namespace(name: name, path: path(of: name), origin: .created, status: status, createdAt: createdAt)
    }

    func look(at name: NamespaceName) async throws(NamespaceError) -> Namespace? {
        do throws(SystemError) {
            return describe(name, try await kernel.inspect([name])[0])
        } catch {
            throw NamespaceError(error)
        }
    }

    /// nil when nothing has the name.
    func describe(_ name: NamespaceName, _ entry: NamespaceDirectory.Entry) -> Namespace? {
        switch entry {
        case .absent:
            return nil
        case .stale:
            return Namespace(name: name, path: path(of: name), origin: .external, status: nil, createdAt: nil)
        case .namespace(let status):
            let record = record(of: name, for: status)
            return Namespace(
                name: name, path: path(of: name), origin: record == nil ? .external : .created, status: status,
                createdAt: record?.createdAt)
        }
    }

    /// Our record, if it is of this very namespace and not of an earlier one of the name.
    private func record(of name: NamespaceName, for status: NamespaceStatus) -> NamespaceRecord? {
        guard let record = records[name], record.describes(status.identity) else { return nil }
        return record
    }

    /// Removes what has the name; false says that nothing had it.
    func unmake(_ name: NamespaceName) async throws(NamespaceError) -> Bool {
        let store = store
        let giveUp = ContinuousClock.now + .seconds(1)
        while true {
            do throws(SystemError) {
                let existed = try await kernel.remove(name) { () throws(SystemError) in try store.remove(name) }
                records[name] = nil
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
                    throw NamespaceError(
                        .notANamespace, "The entry is no file, and so no namespace; remove it by hand.", cause: error)
                default:
                    throw NamespaceError(error)
                }
            }
        }
    }

    private func refuseUsed(_ name: NamespaceName) async throws(NamespaceError) {
        guard let identity = try await look(at: name)?.status?.identity else { return }
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

    private func path(of name: NamespaceName) -> String { "\(kernel.directory)/\(name)" }
}

// MARK: - Serialization

extension NamespaceManager {
    /// Runs `body` while no other operation on `name` runs.
    func holding<Value: Sendable>(
        _ name: NamespaceName, _ body: () async throws(NamespaceError) -> Value
    ) async throws(NamespaceError) -> Value {
        if !names.take(name) {
            await withCheckedContinuation { names.wait(for: name, $0) }
        }
        defer { names.release(name) }
        return try await body()
    }

    /// Runs `body` with the directory set up, once more if the directory turns out to have gone in between.
    func inPreparedDirectory<Value: Sendable>(
        _ body: (UInt64) async throws(SystemError) -> Value
    ) async throws(NamespaceError) -> Value {
        var attempts = 3
        while true {
            attempts -= 1
            let mountID = try await prepare()
            do throws(SystemError) {
                return try await body(mountID)
            } catch  where error.operation == .verifyDirectory && attempts > 0 {
                logger.warning("the mount directory is gone and is set up again", metadata: ["cause": "\(error)"])
                preparation = nil
            } catch {
                throw NamespaceError(error)
            }
        }
    }

    /// The mount directory's mount id. Concurrent callers share one set-up; a failed one is tried again by the next.
    private func prepare() async throws(NamespaceError) -> UInt64 {
        let task = preparation ?? Task { [kernel] in await Self.prepare(kernel) }
        preparation = task
        let result = await task.value
        if case .failure = result, preparation == task { preparation = nil }
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
            return .failure(error)
        }
    }
}
