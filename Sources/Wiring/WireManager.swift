package import LinuxKit
package import Logging
package import NamespaceCore
import Netlink
import Synchronization
package import SystemPackage

/// The one maker of wires. Whatever it does to one it does while the names of both namespaces are held, so that no
/// namespace goes, and no other operation on the wire runs, in between.
package actor WireManager {
    private let manager: NamespaceManager
    private let store: WireStore
    private let bootID: String
    private let logger: Logger
    private var wires: [WireID: Wire] = [:]
    private var making: Set<WireID> = []
    /// How many each principal has, those being made included.
    private var counts: [String: Int] = [:]
    /// Which wires end in a namespace; asked without waiting for the actor.
    private nonisolated let ends = Mutex<[NamespaceName: Set<WireID>]>([:])

    /// - Parameter stateDirectory: Where the wires' records are.
    package init(
        manager: NamespaceManager, stateDirectory: FilePath, bootID: String, logger: Logger
    ) throws(SystemError) {
        self.manager = manager
        store = try WireStore(directory: stateDirectory)
        self.bootID = bootID
        self.logger = logger
    }

    /// How many there are.
    package var count: Int { wires.count }

    // MARK: - Making

    /// Makes a wire wholly, or leaves nothing behind.
    ///
    /// - Parameter quota: How many wires who asks may have, those being made included; 0 for any number.
    /// - Throws: `.wireTaken`; `.quotaReached`; `.notFound`, `.stale` and `.changeForbidden` of either namespace; `.linkTaken`; and what the
    ///   kernel has against it.
    package func create(
        _ order: WireOrder, by authority: Authority = .unlimited, within quota: Int = 0
    ) async throws(NamespaceError) -> WireStatus {
        guard let id = order.id ?? WireID.generate() else { throw Self.taken }
        guard wires[id] == nil, making.insert(id).inserted else { throw Self.taken }
        defer { making.remove(id) }
        let wire = Wire(order, as: id, at: manager.now, by: authority.owner?.principal)
        if let principal = wire.createdBy, quota > 0, counts[principal] ?? 0 >= quota {
            throw NamespaceError(
                .quotaReached, "You may have \(quota) wires, and this would be one more; delete some first.")
        }
        count(wire, 1)
        do throws(NamespaceError) {
            return WireStatus(wire: try await make(wire, by: authority), state: .up)
        } catch {
            count(wire, -1)
            throw error
        }
    }

    private func make(_ wire: Wire, by authority: Authority) async throws(NamespaceError) -> Wire {
        let (store, bootID, manager) = (store, bootID, manager)
        return try await manager.reserving(wire.namespaces) { () async throws(NamespaceError) in
            try await manager.check(.change, on: wire.namespaces, by: authority)
            let made: Wire
            do throws(NamespaceError) {
                made = try await manager.visitingHeld(wire.namespaces) { (open, thread) throws(SystemError) in
                    do throws(SystemError) {
                        return try Self.make(wire, store, bootID, in: open, on: &thread)
                    } catch {
                        // As long as something is left, the next start is to find it.
                        let isGone = (try? WireLinks.areGone(wire, in: open, on: &thread)) ?? false
                        if isGone { try? store.abandon(wire.id) }
                        throw error
                    }
                }
            } catch {
                throw error.namingModule(for: wire)
            }
            await self.add(made)
            manager.events.append(.wireCreated, in: wire.a.namespace, .wire(wire.event))
            return made
        }
    }

    private static func make(
        _ wire: Wire, _ store: WireStore, _ bootID: String, in namespaces: [OpenNamespace],
        on thread: inout KernelThread
    ) throws(SystemError) -> Wire {
        // Before anything says that links of these names are the wire's.
        try WireLinks.checkNames(of: wire, in: namespaces, on: &thread)
        try store.begin(wire, bootID: bootID)
        CrashPoint.wireUnmade.pass()
        let made = try WireLinks.make(wire, in: namespaces, on: &thread)
        CrashPoint.wireMade.pass()
        do throws(SystemError) {
            try store.commit(made, bootID: bootID)
        } catch {
            try? WireLinks.delete(made, in: namespaces, on: &thread)
            throw error
        }
        return made
    }

    static let taken = NamespaceError(
        .wireTaken, "There is a wire of this id already; choose another one or delete it.")
    static let notFound = NamespaceError(.wireNotFound, "There is no wire of this id.")

    private func count(_ wire: Wire, _ change: Int) {
        guard let principal = wire.createdBy else { return }
        let count = (counts[principal] ?? 0) + change
        counts[principal] = count > 0 ? count : nil
    }

    private func add(_ wire: Wire) {
        wires[wire.id] = wire
        ends.withLock { ends in
            for name in wire.namespaces { ends[name, default: []].insert(wire.id) }
        }
    }

    // MARK: - Showing

    /// A wire, and what the kernel says of it now.
    ///
    /// - Throws: `.wireNotFound`.
    package func wire(_ id: WireID) async throws(NamespaceError) -> WireStatus {
        guard let wire = wires[id] else { throw Self.notFound }
        return WireStatus(wire: wire, state: try await state(of: wire))
    }

    /// The wires after `after` in byte order, at most `limit` of them, and how many there are in all.
    ///
    /// - Parameter namespace: Only those that end there.
    package func list(
        after: WireID?, limit: Int, in namespace: NamespaceName? = nil
    ) async throws(NamespaceError) -> (wires: [WireStatus], total: Int, hasMore: Bool) {
        let ids = namespace.map { name in ends.withLock { Array($0[name] ?? []) } } ?? Array(wires.keys)
        let rest = ids.sorted().drop { id in after.map { id <= $0 } ?? false }
        let page = rest.prefix(limit).compactMap { wires[$0] }
        var found: [WireStatus] = []
        for (wire, state) in zip(page, try await manager.states(of: page)) {
            // Gone since, while they were looked at.
            guard let wire = wires[wire.id] else { continue }
            // Or half-way through a change: look again when nobody works on it.
            let state = state == .broken ? try await self.state(of: wire) : state
            found.append(WireStatus(wire: wire, state: state))
        }
        return (found, ids.count, rest.count > limit)
    }

    private func state(of wire: Wire) async throws(NamespaceError) -> WireStatus.State {
        do throws(NamespaceError) {
            return try await manager.visiting(wire.namespaces, to: nil) { (open, thread) throws(SystemError) in
                try WireLinks.state(of: wire, in: open, on: &thread)
            }
        } catch  where error.code == .notFound || error.code == .stale {
            return .broken
        }
    }

    // MARK: - Changing

    /// Does something else to the traffic from now on.
    ///
    /// - Throws: `.wireNotFound`; `.changeForbidden`; `.linkNotFound` for a broken wire; and what the kernel has against it.
    package func impair(
        _ id: WireID, aToB: WireImpairment?, bToA: WireImpairment?, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> WireStatus {
        guard let names = wires[id]?.namespaces else { throw Self.notFound }
        let (store, bootID, manager) = (store, bootID, manager)
        return try await manager.reserving(names) { () async throws(NamespaceError) in
            // Meanwhile the identifier may have become another wire's, between others.
            guard let before = await self.wires[id], before.namespaces == names else { throw Self.notFound }
            try await manager.check(.change, on: names, by: authority)
            var wire = before
            if let aToB { wire.a.impairment = aToB }
            if let bToA { wire.b.impairment = bToA }
            let after = wire
            let state: WireStatus.State
            do throws(NamespaceError) {
                state = try await manager.visitingHeld(names) { (open, thread) throws(SystemError) in
                    let state = try WireLinks.state(of: before, in: open, on: &thread)
                    guard state != .broken else { throw .missing(before.a.link) }
                    do throws(SystemError) {
                        try WireLinks.impair(after, in: open, on: &thread)
                        try store.replace(after, bootID: bootID)
                    } catch {
                        try? WireLinks.impair(before, in: open, on: &thread)
                        throw error
                    }
                    return state
                }
            } catch {
                throw error.namingModule(for: after)
            }
            await self.add(after)
            manager.events.append(.wireChanged, in: after.a.namespace, .wire(after.event))
            return WireStatus(wire: after, state: state)
        }
    }

    // MARK: - Deleting

    /// Takes a wire away, what is left of it.
    ///
    /// - Throws: `.wireNotFound`, `.changeForbidden`.
    package func delete(_ id: WireID, by authority: Authority = .unlimited) async throws(NamespaceError) {
        guard let names = wires[id]?.namespaces else { throw Self.notFound }
        try await manager.reserving(names) { () async throws(NamespaceError) in
            guard let wire = await self.wires[id], wire.namespaces == names else { throw Self.notFound }
            for name in names {
                do throws(NamespaceError) {
                    try await self.manager.check(.change, on: [name], by: authority)
                } catch  where error.code == .notFound {
                    continue
                }
            }
            try await self.takeAway(wire)
        }
    }

    /// Deletes the links and the record. Call it while one of the names is held at least, without which nobody else does
    /// anything to the wire.
    private func takeAway(_ wire: Wire) async throws(NamespaceError) {
        if try await !deleteLinks(of: wire, in: wire.namespaces) {
            for name in wire.namespaces {
                // With one link goes the other.
                if try await deleteLinks(of: wire, in: [name]) { break }
            }
        }
        let (store, id) = (store, wire.id)
        try await manager.working { () throws(SystemError) in try store.remove(id) }
        drop(wire)
    }

    /// False says that none is there.
    private func deleteLinks(of wire: Wire, in names: [NamespaceName]) async throws(NamespaceError) -> Bool {
        do throws(NamespaceError) {
            try await manager.visitingHeld(names) { (open, thread) throws(SystemError) in
                if names == wire.namespaces {
                    try WireLinks.delete(wire, in: open, on: &thread)
                } else {
                    try WireLinks.delete(wire, in: open[0], named: names[0], on: &thread)
                }
            }
            return true
        } catch  where error.code == .notFound || error.code == .stale || error.code == .linkNotFound {
            return false
        }
    }

    private func drop(_ wire: Wire) {
        guard wires.removeValue(forKey: wire.id) != nil else { return }
        count(wire, -1)
        ends.withLock { ends in
            for name in wire.namespaces {
                ends[name]?.remove(wire.id)
                if ends[name]?.isEmpty ?? false { ends[name] = nil }
            }
        }
        manager.events.append(.wireDeleted, in: wire.a.namespace, .wire(wire.event))
    }

    private func ids(in name: NamespaceName) -> [WireID] { ends.withLock { ($0[name] ?? []).sorted() } }
}

// MARK: - When a namespace goes

extension WireManager: NamespaceTenant {
    package nonisolated func isIn(_ name: NamespaceName) -> Bool { ends.withLock { $0[name] != nil } }

    /// A namespace that processes keep alive would keep its links, and the other ends theirs.
    package func leave(_ name: NamespaceName, of manager: NamespaceManager) async throws(NamespaceError) {
        for id in ids(in: name) {
            guard let wire = wires[id] else { continue }
            try await takeAway(wire)
        }
    }

    package func lose(_ name: NamespaceName) async {
        let store = store
        for id in ids(in: name) {
            guard let wire = wires[id] else { continue }
            do throws(NamespaceError) {
                try await manager.working { () throws(SystemError) in try store.remove(id) }
            } catch {
                logger.warning(
                    "a wire's record could not be removed", metadata: ["wire": "\(id)", "error": "\(error)"])
            }
            drop(wire)
        }
    }
}

// MARK: - Starting

extension WireManager {
    /// Reads the records, undoes what a crash interrupted, and has the manager ask and tell from now on. Call it when the
    /// manager's start admits tenants.
    package func start() async throws(NamespaceError) {
        let (store, bootID) = (store, bootID)
        let contents = try await manager.working { () throws(SystemError) in try store.load(bootID: bootID) }
        for path in contents.setAside {
            logger.warning("an unreadable wire was set aside", metadata: ["path": "\(path)"])
        }
        for wire in contents.unfinished {
            // One that asked for the links of a wire that there is would have been refused: those are not its own.
            if !contents.wires.contains(where: { $0.sharesLink(with: wire) }) { await undo(wire) }
            try await manager.working { () throws(SystemError) in try store.abandon(wire.id) }
        }
        for wire in contents.wires {
            if await isGone(wire) {
                try await manager.working { () throws(SystemError) in try store.remove(wire.id) }
            } else {
                add(wire)
                count(wire, 1)
            }
        }
        await manager.admit(self)
    }

    /// Deletes what there is of a wire that was not made to the end.
    private func undo(_ wire: Wire) async {
        let manager = manager
        await manager.reserving(wire.namespaces) { () async in
            do throws(NamespaceError) {
                try await manager.visitingHeld(wire.namespaces) { (open, thread) throws(SystemError) in
                    try WireLinks.delete(wire, in: open, on: &thread)
                }
            } catch {
                // It was never made, or a namespace is gone, and with it the link.
                self.logger.debug(
                    "an unfinished wire is not there", metadata: ["wire": "\(wire.id)", "error": "\(error)"])
            }
        }
    }

    /// Whether nothing is left of it: it was being deleted, or its namespaces are gone.
    private func isGone(_ wire: Wire) async -> Bool {
        do throws(NamespaceError) {
            return try await manager.visiting(wire.namespaces, to: nil) { (open, thread) throws(SystemError) in
                try WireLinks.areGone(wire, in: open, on: &thread)
            }
        } catch {
            return error.code == .notFound || error.code == .stale
        }
    }
}

extension NamespaceError {
    /// Names the module that the wire's impairment takes, where the kernel lacks it.
    fileprivate func namingModule(for wire: Wire) -> NamespaceError {
        guard code == .notSupported, cause?.operation == .addQueueDiscipline else { return self }
        let wantsEmulation = wire.a.impairment.wantsEmulation || wire.b.impairment.wantsEmulation
        return NamespaceError(
            code,
            "This kernel lacks the module \(wantsEmulation ? "sch_netem" : "sch_tbf"), which the impairment takes.",
            cause: cause)
    }
}

extension Wire {
    /// A wire that is not made yet.
    fileprivate init(_ order: WireOrder, as id: WireID, at time: Timestamp, by principal: String?) {
        self.init(id: id, a: order.a, b: order.b, mtu: order.mtu, createdAt: time, createdBy: principal)
        a.originalMAC = a.mac ?? .random()
        b.originalMAC = b.mac ?? .random()
    }

    /// Whether a link of one may be taken for a link of the other, in the same namespace.
    func sharesLink(with other: Wire) -> Bool {
        func mayBe(_ end: Wire.End, _ otherEnd: Wire.End) -> Bool {
            end.namespace == otherEnd.namespace && end.link == otherEnd.link && end.originalMAC == otherEnd.originalMAC
        }
        return mayBe(a, other.a) || mayBe(a, other.b) || mayBe(b, other.a) || mayBe(b, other.b)
    }

    var event: Event.Wire {
        Event.Wire(
            id: id.description, a: .init(namespace: a.namespace, link: a.link.description),
            b: .init(namespace: b.namespace, link: b.link.description))
    }
}
