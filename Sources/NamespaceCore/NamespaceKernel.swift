package import LinuxKit
import Synchronization
import SystemPackage

/// A namespace that the kernel is to make or to name, and who must know of it.
package struct NamespaceOrder: Sendable {
    package let name: NamespaceName
    package let kind: Creation.Kind
    /// Whether we know of nothing that has the name, so that nobody need look before the namespace is made.
    package var isLikelyFree: Bool
    /// Called shortly before the order is filled, unless other work has the processors; see
    /// ``Creation/isNearlyDone``.
    package let isNearlyDone: (@Sendable (Duration) -> Void)?
    /// Learns the namespace's identity before its name appears. Called on the job's thread, as `withdraw` is.
    package let announce: @Sendable (NamespaceIdentity) throws(SystemError) -> Void
    /// Undoes `announce` when the name will not appear.
    package let withdraw: @Sendable () -> Void
}

/// The kernel as ``NamespaceManager`` sees it: one method a job. ``LinuxKernel`` is the real one; tests have another
/// that fails on demand, and both pass the same contract tests.
package protocol NamespaceKernel: Sendable {
    /// The mount directory's resolved path.
    var directory: String { get }

    /// Makes the directory a shared mount, or finds it so; answers the mount's id.
    func prepareDirectory() async throws(SystemError) -> UInt64

    /// Fills orders one after the other on one thread; each makes a namespace, or gives an existing one a name, or
    /// leaves nothing behind.
    func create(_ orders: [NamespaceOrder], mountID: UInt64) async -> [Result<NamespaceStatus, SystemError>]

    /// Detaches and unlinks a name, then calls `didRemove` on the same thread. False says that there was no such name.
    func remove(
        _ name: NamespaceName, didRemove: @escaping @Sendable () throws(SystemError) -> Void
    ) async throws(SystemError) -> Bool

    /// Unlinks a file that is no namespace; false says that it is gone, or a namespace by now.
    func removeStale(_ name: NamespaceName) async throws(SystemError) -> Bool

    /// Throws what ``remove(_:didRemove:)`` would for something that is no file.
    func refuseDirectory(_ name: NamespaceName) async throws(SystemError)

    /// Looks at names, in their order.
    func inspect(_ names: [NamespaceName]) async throws(SystemError) -> [NamespaceDirectory.Entry]

    /// Opens the names' namespaces, in their order, and runs `body` with them on the thread that did.
    func visit<Value: Sendable>(
        _ names: [NamespaceName],
        _ body: @escaping @Sendable ([OpenNamespace], inout KernelThread) throws(SystemError) -> Value
    ) async throws(SystemError) -> Value

    /// What has happened in the directory since this was last asked; at first, all that is there.
    func changes() async throws(SystemError) -> DirectoryWatcher.Report

    /// What happens in the directory, a moment later, until ``stopWatching()``.
    func watch() throws(SystemError) -> AsyncStream<DirectoryWatcher.Report>

    func stopWatching() async

    /// The processes inside a namespace.
    func processes(in identity: NamespaceIdentity) async throws(SystemError) -> [Int32]

    /// The same, with what each of them is.
    func processDetails(in identity: NamespaceIdentity) async throws(SystemError) -> [ProcessDetail]

    /// The namespace a process is in.
    func networkNamespace(of process: Int32) async throws(SystemError) -> (device: UInt64, inode: UInt64)

    /// Throws what would keep a namespace from being created now.
    func probe(mountID: UInt64) async throws(SystemError)

    /// Another number whenever what ``inspect(_:)`` and ``changes()`` answer may be something else than before; nil
    /// where that cannot be told. Does not block.
    var changeCount: UInt64? { get }

    /// How mounts in the directory spread.
    func propagation() async throws(SystemError) -> Propagation

    /// What an operator needs to know.
    func hostFacts() async throws(SystemError) -> HostFacts

    /// Runs blocking work that is none of the above, such as reading the records.
    func blocking<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SystemError) -> Value
    ) async throws(SystemError) -> Value
}

/// The real kernel: each method is one job on a worker.
package final class LinuxKernel: NamespaceKernel {
    private let namespaces: NamespaceDirectory
    private let changeCounter: ChangeCounter?
    private let recentChanges: DirectoryChanges
    private let workers: KernelWorkers
    private let pool: WarmPool?
    private let census: ProcessCensus
    private let watcher = Mutex<DirectoryWatcher?>(nil)
    /// From the submission of an order for a new namespace, nothing else being done, to its being all but filled.
    private let creationTime = UsualTime()

    /// - Parameter pool: Namespaces made in advance, by these workers.
    package init(
        directory: MountDirectory, workers: KernelWorkers, pool: WarmPool? = nil
    ) throws(SystemError) {
        // Where there is none, everything is looked at whenever it is asked for.
        changeCounter = try? ChangeCounter(directory)
        namespaces = NamespaceDirectory(directory, changes: changeCounter)
        recentChanges = try DirectoryChanges(directory)
        self.workers = workers
        self.pool = pool
        census = ProcessCensus(workers: workers)
    }

    package var directory: String { namespaces.directory.path.string }

    package var changeCount: UInt64? { changeCounter?.count }

    package func prepareDirectory() async throws(SystemError) -> UInt64 {
        try await blocking { [namespaces] () throws(SystemError) in try namespaces.directory.prepare() }
    }

    package func create(
        _ orders: [NamespaceOrder], mountID: UInt64
    ) async -> [Result<NamespaceStatus, SystemError>] {
        // Nobody waits for a batch by the moment, and it would leave nothing for those who do.
        let preferred = orders.count == 1 ? pool : nil
        let start = orders.count == 1 ? foretell(orders[0]) : nil
        do throws(SystemError) {
            return try await workers.run(as: KernelWorkers.lengthy) { [self] (thread) throws(SystemError) in
                var results: [Result<NamespaceStatus, SystemError>] = []
                results.reserveCapacity(orders.count)
                for order in orders {
                    do throws(SystemError) {
                        var source = preferred
                        let status = try makingRoom(in: pool) { () throws(SystemError) in
                            // A pool that makes room has nothing left for the next attempt.
                            try namespaces.fill(
                                order, mountID: mountID, from: source.take(), of: pool, on: &thread,
                                isAllButFilled: {
                                    guard let start else { return }
                                    creationTime.learn(nanoseconds: SystemTime.monotonicNanoseconds - start)
                                })
                        }
                        results.append(.success(status))
                    } catch {
                        results.append(.failure(error))
                    }
                }
                return results
            }
        } catch {
            return orders.map { _ in .failure(error) }
        }
    }

    /// Says when an order will be all but filled, if that can be told; answers the time, if it is worth learning how
    /// long that takes.
    private func foretell(_ order: NamespaceOrder) -> UInt64? {
        guard let isNearlyDone = order.isNearlyDone, case .new = order.kind, workers.areIdle else { return nil }
        if pool?.isReady(for: order.kind) == true {
            // All that is left to do takes less than to wake up for the answer.
            isNearlyDone(.zero)
            return nil
        }
        // A namespace that is being made for the pool has this one wait.
        guard pool?.isMaking != true else { return nil }
        if let time = creationTime.value { isNearlyDone(time) }
        return SystemTime.monotonicNanoseconds
    }

    package func remove(
        _ name: NamespaceName, didRemove: @escaping @Sendable () throws(SystemError) -> Void
    ) async throws(SystemError) -> Bool {
        try await blocking { [namespaces] () throws(SystemError) in
            let existed = try namespaces.remove(name.bytes)
            try didRemove()
            return existed
        }
    }

    package func removeStale(_ name: NamespaceName) async throws(SystemError) -> Bool {
        try await blocking { [namespaces] () throws(SystemError) in try namespaces.removeStale(name.bytes) }
    }

    package func refuseDirectory(_ name: NamespaceName) async throws(SystemError) {
        try await blocking { [namespaces] () throws(SystemError) in try namespaces.refuseDirectory(name.bytes) }
    }

    package func inspect(_ names: [NamespaceName]) async throws(SystemError) -> [NamespaceDirectory.Entry] {
        try await workers.run { [namespaces] (thread) throws(SystemError) in
            var entries: [NamespaceDirectory.Entry] = []
            entries.reserveCapacity(names.count)
            for name in names { entries.append(try namespaces.inspect(name.bytes, on: &thread)) }
            return entries
        }
    }

    package func visit<Value: Sendable>(
        _ names: [NamespaceName],
        _ body: @escaping @Sendable ([OpenNamespace], inout KernelThread) throws(SystemError) -> Value
    ) async throws(SystemError) -> Value {
        try await workers.run(as: KernelWorkers.lengthy) { [namespaces] (thread) throws(SystemError) in
            var open: [OpenNamespace] = []
            open.reserveCapacity(names.count)
            for name in names { open.append(try namespaces.open(name.bytes)) }
            return try body(open, &thread)
        }
    }

    package func changes() async throws(SystemError) -> DirectoryWatcher.Report {
        try await blocking { [recentChanges] () throws(SystemError) in try recentChanges.take() }
    }

    package func watch() throws(SystemError) -> AsyncStream<DirectoryWatcher.Report> {
        let (reports, continuation) = AsyncStream<DirectoryWatcher.Report>.makeStream()
        let started = try DirectoryWatcher(namespaces.directory) { continuation.yield($0) }
        watcher.withLock { $0 = started }
        return reports
    }

    package func stopWatching() async {
        guard let watcher = watcher.withLock({ $0.take() }) else { return }
        // A stopped pool has no jobs left for the watcher's reports to matter to.
        try? await blocking { () throws(SystemError) in watcher.stop() }
    }

    package func processes(in identity: NamespaceIdentity) async throws(SystemError) -> [Int32] {
        try await census.processes(inNetworkNamespace: identity.inode)
    }

    package func processDetails(in identity: NamespaceIdentity) async throws(SystemError) -> [ProcessDetail] {
        try await workers.run(as: KernelWorkers.lengthy) { (_) throws(SystemError) in
            try ProcessTable.details(inNetworkNamespace: identity.inode)
        }
    }

    package func networkNamespace(of process: Int32) async throws(SystemError) -> (device: UInt64, inode: UInt64) {
        try await blocking { () throws(SystemError) in try ProcessTable.networkNamespace(ofProcess: process) }
    }

    package func probe(mountID: UInt64) async throws(SystemError) {
        try await workers.run(as: KernelWorkers.lengthy) { [namespaces, pool] (thread) throws(SystemError) in
            do throws(SystemError) {
                try namespaces.probe(mountID: mountID, on: &thread)
            } catch  where error.isShortageOfNamespaces && pool.map({ $0.facts.size > 0 }) ?? false {
                // A create would make room for itself.
            }
        }
    }

    package func propagation() async throws(SystemError) -> Propagation {
        try await blocking { [namespaces] () throws(SystemError) in try Propagation.of(namespaces.directory.path) }
    }

    package func hostFacts() async throws(SystemError) -> HostFacts {
        try await blocking { [namespaces, pool] () throws(SystemError) in
            var facts = try HostFacts.read(directory: namespaces.directory)
            // Neither a process nor a mount shows these.
            facts.namespacesInUse += pool?.facts.size ?? 0
            return facts
        }
    }

    package func blocking<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SystemError) -> Value
    ) async throws(SystemError) -> Value {
        try await workers.run { (_) throws(SystemError) in try body() }
    }
}

private func makingRoom<Value>(
    in pool: WarmPool?, _ body: () throws(SystemError) -> Value
) throws(SystemError) -> Value {
    guard let pool else { return try body() }
    return try pool.makingRoom(body)
}

extension SystemError {
    /// Whether another tool took the new file or its mount away before the namespace was there.
    fileprivate var isOfAnotherHand: Bool {
        switch (operation, errno) {
        case (.bindMount, .noSuchFileOrDirectory), (.statx, .noSuchFileOrDirectory), (.verifyMount, _): true
        default: false
        }
    }
}

extension WarmPool {
    /// Whether what is asked for is there, and no thread is making another one.
    fileprivate func isReady(for kind: Creation.Kind) -> Bool {
        switch kind {
        case .new(let loopback): isReady(up: loopback == .up)
        case .existing: false
        }
    }
}

extension NamespaceDirectory {
    /// Fills an order, anew when another tool interferes: what it wants with a file of a moment is not this one.
    fileprivate func fill(
        _ order: NamespaceOrder, mountID: UInt64, from source: WarmPool?, of pool: WarmPool?,
        on thread: inout KernelThread, isAllButFilled: () -> Void
    ) throws(SystemError) -> NamespaceStatus {
        var order = order
        for _ in 0..<3 {
            do throws(SystemError) {
                return try fillOnce(
                    order, mountID: mountID, from: source, of: pool, on: &thread, isAllButFilled: isAllButFilled)
            } catch  where error.isOfAnotherHand && thread.isHome {
                // Somebody has to do with the name.
                order.isLikelyFree = false
            }
        }
        return try fillOnce(
            order, mountID: mountID, from: source, of: pool, on: &thread, isAllButFilled: isAllButFilled)
    }

    private func fillOnce(
        _ order: NamespaceOrder, mountID: UInt64, from source: WarmPool?, of pool: WarmPool?,
        on thread: inout KernelThread, isAllButFilled: () -> Void
    ) throws(SystemError) -> NamespaceStatus {
        switch order.kind {
        case .new(let loopback):
            try create(
                order.name.bytes, isLikelyFree: order.isLikelyFree, raisingLoopback: loopback == .up, mountID: mountID,
                from: source, on: &thread,
                announce: { (identity) throws(SystemError) in
                    // A thread that looks out for the answer would take turns with this one.
                    if pool?.isMaking != true { order.isNearlyDone?(.zero) }
                    isAllButFilled()
                    try order.announce(identity)
                }, withdraw: order.withdraw)
        case .existing(let existing):
            try adopt(
                existing, as: order.name.bytes, mountID: mountID, outOf: pool, on: &thread, announce: order.announce,
                withdraw: order.withdraw)
        }
    }
}
