import LinuxKit
import Logging

extension NamespaceManager {
    /// Makes a namespace, or gives an existing one a name.
    ///
    /// - Throws: `.nameTaken` when anything has the name, `.adoptionForbidden`, `.sourceNotFound` and
    ///   `.notANetworkNamespace` for one that is to be adopted, and what the kernel has against it.
    package func create(_ creation: Creation) async throws(NamespaceError) -> Namespace {
        switch creation.name {
        case .exactly(let name):
            return try await create(creation, as: name)
        case .generated(let prefix):
            // 128 random bits do not collide by chance; a few tries cover a name that somebody guessed from a log.
            for _ in 0..<4 {
                do throws(NamespaceError) {
                    return try await create(creation, as: try Self.generate(prefix))
                } catch  where error.code == .nameTaken {
                    continue
                }
            }
            throw Self.noFreeName
        }
    }

    private func create(_ creation: Creation, as name: NamespaceName) async throws(NamespaceError) -> Namespace {
        try await holding(name) { () async throws(NamespaceError) in
            await self.register(try await self.make(name, creation))
        }
    }

    static func generate(_ prefix: String) throws(NamespaceError) -> NamespaceName {
        guard let name = NamespaceName.generate(prefix: prefix) else { throw noFreeName }
        return name
    }

    private static let noFreeName = NamespaceError(
        .nameTaken, "No free name could be generated; try another namePrefix.")

    /// Makes the namespace unless it is there as asked for; tells which.
    ///
    /// - Parameters:
    ///   - precondition: What must be there.
    ///   - exclusion: What must not be there.
    /// - Throws: `.differs` when one of the name is there and different, `.stale` when there is only a file;
    ///   `.preconditionFailed`.
    package func ensure(
        _ name: NamespaceName, _ creation: Creation, if precondition: Precondition? = nil,
        unless exclusion: Precondition? = nil
    ) async throws(NamespaceError) -> (namespace: Namespace, isNew: Bool) {
        try await holding(name) { () async throws(NamespaceError) in
            guard let existing = try await self.look(at: name) else {
                guard precondition == nil else {
                    throw NamespaceError(.preconditionFailed, "There is no namespace for If-Match to be true of.")
                }
                return (await self.register(try await self.make(name, creation)), true)
            }
            guard let status = existing.status else { throw Self.stale }
            try Self.check(precondition, on: existing)
            guard exclusion?.holds(for: existing) != true else {
                throw NamespaceError(.preconditionFailed, "The namespace is there, and as If-None-Match says.")
            }
            if let difference = Self.difference(creation, existing, status) {
                throw NamespaceError(.differs, "The namespace exists \(difference); delete or PATCH it first.")
            }
            return (existing, false)
        }
    }

    static let stale = NamespaceError(
        .stale, "A file of this name is no mounted network namespace; delete it, then ask again.")

    /// In which way the namespace is not what was asked for, in words that continue "The namespace exists"; nil when it
    /// is.
    private static func difference(
        _ creation: Creation, _ existing: Namespace, _ status: NamespaceStatus
    ) -> String? {
        // What was asked for, not what the interface is now, decides whether this is the same request again.
        let current = existing.record?.loopback ?? (status.isLoopbackUp ? .up : .down)
        if case .new(let loopback) = creation.kind, loopback != current {
            return "with loopback \(current.rawValue), not \(loopback.rawValue)"
        }
        if creation.labels != existing.record?.labels ?? Labels() { return "with other labels" }
        let seconds = existing.record?.lease?.seconds
        if creation.leaseSeconds != seconds {
            return seconds.map { "with a lease of \($0) seconds" } ?? "without a lease"
        }
        return nil
    }
}

// MARK: - Steps, each run while holding the name

extension NamespaceManager {
    /// A namespace that is there, with its record, and that nobody has been told of.
    struct Made: Sendable {
        let name: NamespaceName
        let status: NamespaceStatus
        let record: NamespaceRecord
        /// The room that it takes.
        let reservation: Reservation?
    }

    /// Makes a namespace with its record, or leaves nothing behind.
    func make(
        _ name: NamespaceName, _ creation: Creation, batch: String? = nil
    ) async throws(NamespaceError) -> Made {
        try creation.authority.checkAdoption(by: creation.kind)
        creationsInProgress += 1
        defer { creationsInProgress -= 1 }
        var creation = creation
        if creationsInProgress > 1 { creation.isNearlyDone = nil }
        let draft = draft(creation, batch: batch)
        let (kernel, order) = (kernel, order(name, draft, creation, isAlone: true))
        let status: NamespaceStatus
        do throws(NamespaceError) {
            status = try await inPreparedDirectory { (mountID) async throws(SystemError) in
                try await kernel.create([order], mountID: mountID)[0].get()
            }
        } catch {
            tally.failed(creation.operation, error)
            throw error
        }
        // Those of a namespace of the name that others have removed, a moment ago.
        if dnsOwners[name] != nil { await dropDNS(of: name) }
        return Made(
            name: name, status: status, record: draft(status.identity), reservation: creation.reservation)
    }

    /// Makes several, one after the other, in one job; answers in order.
    func make(
        _ items: [(name: NamespaceName, creation: Creation)], batch: String? = nil
    ) async -> [Result<Made, NamespaceError>] {
        let mountID: UInt64
        do throws(NamespaceError) {
            mountID = try await prepare()
        } catch {
            for item in items { tally.failed(item.creation.operation, error) }
            return items.map { _ in .failure(error) }
        }
        var results: [Result<Made, NamespaceError>?] = items.map { item in
            do throws(NamespaceError) {
                try item.creation.authority.checkAdoption(by: item.creation.kind)
                return nil
            } catch {
                tally.failed(item.creation.operation, error)
                return .failure(error)
            }
        }
        let permitted = items.indices.filter { results[$0] == nil }
        let drafts = permitted.map { draft(items[$0].creation, batch: batch) }
        let orders = zip(permitted, drafts).map { order(items[$0].name, $1, items[$0].creation, isAlone: false) }
        for (number, result) in await kernel.create(orders, mountID: mountID).enumerated() {
            let (name, creation) = items[permitted[number]]
            do throws(SystemError) {
                let status = try result.get()
                if dnsOwners[name] != nil { await dropDNS(of: name) }
                results[permitted[number]] = .success(
                    Made(
                        name: name, status: status, record: drafts[number](status.identity),
                        reservation: creation.reservation))
            } catch  where error.operation == .verifyDirectory {
                // The directory went away in between, and is set up again for one after the other.
                results[permitted[number]] = await Result { () async throws(NamespaceError) in
                    try await self.make(name, creation, batch: batch)
                }
            } catch {
                let error = NamespaceError(error)
                tally.failed(creation.operation, error)
                results[permitted[number]] = .failure(error)
            }
        }
        return results.compactMap(\.self)
    }

    /// The record that a namespace will have, but for the identity that only the kernel knows.
    private func draft(_ creation: Creation, batch: String?) -> @Sendable (NamespaceIdentity) -> NamespaceRecord {
        let (createdAt, start, bootID) = (clock.now, clock.uptime, bootID)
        return { identity in
            NamespaceRecord(creation, at: createdAt, uptime: start, identity, bootID: bootID, batch: batch)
        }
    }

    /// - Parameter isAlone: Whether it is not one of a batch, in which much can happen until its turn comes.
    private func order(
        _ name: NamespaceName, _ draft: @escaping @Sendable (NamespaceIdentity) -> NamespaceRecord,
        _ creation: Creation, isAlone: Bool
    ) -> NamespaceOrder {
        let (store, logger) = (store, logger)
        return NamespaceOrder(
            name: name, kind: creation.kind, isLikelyFree: isAlone && index[name] == nil && records[name] == nil,
            isNearlyDone: creation.isNearlyDone,
            announce: { (identity) throws(SystemError) in
                try store.save(draft(identity), for: name)
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

    /// Takes a namespace that was made into what we know, and tells of it.
    func register(_ made: Made) async -> Namespace {
        let (name, status) = (made.name, made.status)
        switch index[name] {
        case nil: break
        // Removed by another tool a moment ago, or there would have been no room for ours.
        case .stale?: if unannounced.remove(name) == nil { events.append(.vanished, name, nil) }
        case .namespace?: await tellReplacement(of: name, by: .init(status))
        }
        records[name] = made.record
        if let reservation = made.reservation { reservations.spend(reservation) }
        index[name] = .init(status)
        schedule(name, made.record.lease)
        let namespace = describe(name, status, made.record)
        events.append(made.record.origin == .created ? .created : .adopted, name, namespace)
        logger.debug("namespace created", metadata: ["name": "\(name)", "inode": "\(status.identity.inode)"])
        return namespace
    }
}

extension Creation {
    /// What a failure is counted as.
    fileprivate var operation: Tally.Operation {
        if case .existing = kind { .adopt } else { .create }
    }
}

extension NamespaceRecord {
    fileprivate init(
        _ creation: Creation, at time: Timestamp, uptime: Duration, _ identity: NamespaceIdentity, bootID: String,
        batch: String?
    ) {
        switch creation.kind {
        case .new(let loopback):
            origin = .created
            self.loopback = loopback
        case .existing:
            origin = .adopted
            loopback = nil
        }
        createdAt = time
        createdBy = creation.authority.owner
        self.identity = identity
        self.bootID = bootID
        labels = creation.labels
        lease = creation.leaseSeconds.map { Lease(seconds: $0, from: uptime) }
        self.batch = batch
        request = creation.request
    }

    /// The record of a namespace that another tool made and we are to look after.
    init(adopting identity: NamespaceIdentity, at time: Timestamp, by owner: Owner?, bootID: String) {
        origin = .adopted
        loopback = nil
        createdAt = time
        createdBy = owner
        self.identity = identity
        self.bootID = bootID
        labels = Labels()
        lease = nil
        batch = nil
        request = nil
    }
}

extension NamespaceIndex.Known {
    init(_ status: NamespaceStatus) {
        self = .namespace(
            device: status.identity.device, inode: status.identity.inode, mountID: status.mountID)
    }
}
