import LinuxKit
import Synchronization
import SystemPackage

@testable import NamespaceCore

/// A kernel in memory that fails on demand. The contract tests hold it and the real one to the same behaviour.
final class FakeKernel: NamespaceKernel {
    private struct State {
        var entries: [NamespaceName: NamespaceDirectory.Entry] = [:]
        var failures: [SystemError] = []
        var nextIdentity: UInt64 = 1
        var mountID: UInt64 = 1
        var preparations = 0
        var inside: [UInt64: [Int32]] = [:]
        var blockingFailure: SystemError?
        var removalFailures: [NamespaceName: SystemError] = [:]
        var sources: [FilePath: NamespaceIdentity] = [:]
        var reports: AsyncStream<DirectoryWatcher.Report>.Continuation?
        var isVisible = true
        var running: [NamespaceName: Int] = [:]
        var mostRunning = 0
        /// What has changed and was not told of; nil where everything is told each time.
        var untold: Set<NamespaceName>?
        var inspectionTime: Duration?
    }

    private let state = Mutex(State())
    let directory = "/fake"

    /// Makes the next jobs fail, one each.
    func fail(_ errors: SystemError...) { state.withLock { $0.failures += errors } }
    /// Makes the next piece of other blocking work fail.
    func failBlocking(_ error: SystemError) { state.withLock { $0.blockingFailure = error } }
    /// Makes the next removal of that name fail.
    func failRemoval(of name: NamespaceName, _ error: SystemError) {
        state.withLock { $0.removalFailures[name] = error }
    }
    func add(_ name: NamespaceName, _ entry: NamespaceDirectory.Entry) { state.withLock { $0.entries[name] = entry } }
    func putProcesses(_ processes: [Int32], into inode: UInt64) { state.withLock { $0.inside[inode] = processes } }
    func remove(_ name: NamespaceName) { _ = state.withLock { $0.entries.removeValue(forKey: name) } }
    func entry(_ name: NamespaceName) -> NamespaceDirectory.Entry? { state.withLock { $0.entries[name] } }
    func offer(_ source: NamespaceSource, _ identity: NamespaceIdentity) {
        state.withLock { $0.sources[source.path] = identity }
    }
    func loseDirectory() { state.withLock { $0.mountID += 1 } }
    func hideFromHost() { state.withLock { $0.isVisible = false } }
    /// From now on tells of a change once, as the real one does, and takes its time to look.
    func tellOnce(lookingFor time: Duration) {
        state.withLock { ($0.untold, $0.inspectionTime) = ([], time) }
    }
    /// Puts something there that is yet to be told of.
    func change(_ name: NamespaceName, to entry: NamespaceDirectory.Entry) {
        state.withLock { state in
            state.entries[name] = entry
            state.untold?.insert(name)
        }
    }
    var hasTold: Bool { state.withLock { $0.untold?.isEmpty ?? true } }
    var preparations: Int { state.withLock { $0.preparations } }
    /// The most jobs that ever ran at once on one name.
    var mostRunningOnOneName: Int { state.withLock { $0.mostRunning } }

    private func takeFailure() throws(SystemError) {
        if let failure = state.withLock({ $0.failures.isEmpty ? nil : $0.failures.removeFirst() }) { throw failure }
    }

    private func verify(_ mountID: UInt64) throws(SystemError) {
        guard state.withLock({ $0.mountID == mountID }) else {
            throw SystemError(.verifyDirectory, "/fake", errno: .noSuchFileOrDirectory)
        }
    }

    func prepareDirectory() async throws(SystemError) -> UInt64 {
        try takeFailure()
        return state.withLock {
            $0.preparations += 1
            return $0.mountID
        }
    }

    func create(_ orders: [NamespaceOrder], mountID: UInt64) async -> [Result<NamespaceStatus, SystemError>] {
        var results: [Result<NamespaceStatus, SystemError>] = []
        for order in orders {
            results.append(
                await Result { () async throws(SystemError) in try await self.create(order, mountID: mountID) })
        }
        return results
    }

    private func create(_ order: NamespaceOrder, mountID: UInt64) async throws(SystemError) -> NamespaceStatus {
        let (name, kind) = (order.name, order.kind)
        state.withLock {
            $0.running[name, default: 0] += 1
            $0.mostRunning = max($0.mostRunning, $0.running[name, default: 0])
        }
        await Task.yield()
        defer { state.withLock { $0.running[name, default: 1] -= 1 } }
        try verify(mountID)
        guard state.withLock({ $0.entries[name] == nil }) else {
            throw SystemError(.createFile, FilePath("/fake/\(name)"), errno: .fileExists)
        }
        let number = state.withLock {
            $0.nextIdentity += 1
            return $0.nextIdentity
        }
        let status: NamespaceStatus
        switch kind {
        case .new(let loopback):
            status = NamespaceStatus(
                identity: NamespaceIdentity(device: 4, inode: number, cookie: number), isLoopbackUp: loopback == .up,
                mountID: number)
        case .existing(let source):
            guard let identity = state.withLock({ $0.sources[source.path] }) else {
                throw SystemError(.openSource, source.path, errno: .noSuchFileOrDirectory)
            }
            status = NamespaceStatus(identity: identity, isLoopbackUp: true, mountID: number)
        }
        do throws(SystemError) {
            try order.announce(status.identity)
            try takeFailure()
        } catch {
            order.withdraw()
            throw error
        }
        state.withLock { $0.entries[name] = .namespace(status) }
        return status
    }

    func remove(
        _ name: NamespaceName, didRemove: @escaping @Sendable () throws(SystemError) -> Void
    ) async throws(SystemError) -> Bool {
        try takeFailure()
        if let failure = state.withLock({ $0.removalFailures.removeValue(forKey: name) }) { throw failure }
        let existed = state.withLock { $0.entries.removeValue(forKey: name) != nil }
        try didRemove()
        return existed
    }

    func removeStale(_ name: NamespaceName) async throws(SystemError) -> Bool {
        state.withLock { state in
            guard state.entries[name] == .stale else { return false }
            state.entries[name] = nil
            return true
        }
    }

    func refuseDirectory(_ name: NamespaceName) async throws(SystemError) {}

    func inspect(_ names: [NamespaceName]) async throws(SystemError) -> [NamespaceDirectory.Entry] {
        if let time = state.withLock({ $0.inspectionTime }) { try? await Task.sleep(for: time) }
        return state.withLock { state in names.map { state.entries[$0] ?? .absent } }
    }

    func visit<Value: Sendable>(
        _ names: [NamespaceName],
        _ body: @escaping @Sendable ([OpenNamespace], inout KernelThread) throws(SystemError) -> Value
    ) async throws(SystemError) -> Value {
        // There is nothing to enter.
        throw SystemError(.verifyNamespace, "/fake", errno: .noSuchFileOrDirectory)
    }

    func changes() async throws(SystemError) -> DirectoryWatcher.Report {
        state.withLock { state in
            if let untold = state.untold {
                state.untold = []
                return .changed(
                    untold.map {
                        DirectoryWatcher.Observation(name: $0.bytes, seen: state.entries[$0]?.seen ?? .absent)
                    })
            }
            return .swept(
                state.entries.map { DirectoryWatcher.Observation(name: $0.key.bytes, seen: $0.value.seen) })
        }
    }

    func watch() throws(SystemError) -> AsyncStream<DirectoryWatcher.Report> {
        let (reports, continuation) = AsyncStream<DirectoryWatcher.Report>.makeStream()
        state.withLock { $0.reports = continuation }
        return reports
    }

    func stopWatching() async { state.withLock { $0.reports?.finish() } }

    /// What the real watcher would report of a name.
    func reportChange(of name: NamespaceName) {
        state.withLock { state in
            let seen = state.entries[name]?.seen ?? .absent
            _ = state.reports?.yield(.changed([DirectoryWatcher.Observation(name: name.bytes, seen: seen)]))
        }
    }

    /// What the real watcher reports first.
    func reportSweep() {
        state.withLock { state in
            _ = state.reports?.yield(
                .swept(state.entries.map { DirectoryWatcher.Observation(name: $0.key.bytes, seen: $0.value.seen) }))
        }
    }

    func processDetails(in identity: NamespaceIdentity) async throws(SystemError) -> [ProcessDetail] { [] }

    func networkNamespace(of process: Int32) async throws(SystemError) -> (device: UInt64, inode: UInt64) {
        guard let inode = state.withLock({ $0.inside.first { $0.value.contains(process) }?.key }) else {
            throw SystemError(.statx, "/proc", errno: .noSuchFileOrDirectory)
        }
        return (4, inode)
    }

    func processes(in identity: NamespaceIdentity) async throws(SystemError) -> [Int32] {
        state.withLock { $0.inside[identity.inode] ?? [] }
    }

    func probe(mountID: UInt64) async throws(SystemError) {
        try verify(mountID)
        try takeFailure()
    }

    /// As where changes cannot be counted.
    var changeCount: UInt64? { nil }

    func propagation() async throws(SystemError) -> Propagation {
        Propagation(kind: .shared, isVisibleToHost: state.withLock { $0.isVisible })
    }

    func hostFacts() async throws(SystemError) -> HostFacts {
        throw SystemError(.open, "/fake", errno: .noSuchFileOrDirectory)
    }

    func blocking<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SystemError) -> Value
    ) async throws(SystemError) -> Value {
        if let failure = state.withLock({ $0.blockingFailure.take() }) { throw failure }
        return try body()
    }
}

extension NamespaceDirectory.Entry {
    fileprivate var seen: DirectoryWatcher.Seen {
        switch self {
        case .absent: .absent
        case .stale: .plain
        case .namespace(let status):
            .namespaceFile(device: status.identity.device, inode: status.identity.inode, mountID: status.mountID)
        }
    }
}
