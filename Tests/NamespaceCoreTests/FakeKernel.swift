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
        var isVisible = true
        var running: [NamespaceName: Int] = [:]
        var mostRunning = 0
    }

    private let state = Mutex(State())
    let directory = "/fake"

    /// Makes the next jobs fail, one each.
    func fail(_ errors: SystemError...) { state.withLock { $0.failures += errors } }
    func add(_ name: NamespaceName, _ entry: NamespaceDirectory.Entry) { state.withLock { $0.entries[name] = entry } }
    func putProcesses(_ processes: [Int32], into inode: UInt64) { state.withLock { $0.inside[inode] = processes } }
    func loseDirectory() { state.withLock { $0.mountID += 1 } }
    func hideFromHost() { state.withLock { $0.isVisible = false } }
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

    func create(
        _ name: NamespaceName, loopback: Loopback, mountID: UInt64,
        announce: @escaping @Sendable (NamespaceIdentity) throws(SystemError) -> Void,
        withdraw: @escaping @Sendable () -> Void
    ) async throws(SystemError) -> NamespaceStatus {
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
        let status = NamespaceStatus(
            identity: NamespaceIdentity(device: 4, inode: number, cookie: number), isLoopbackUp: loopback == .up)
        do throws(SystemError) {
            try announce(status.identity)
            try takeFailure()
        } catch {
            withdraw()
            throw error
        }
        state.withLock { $0.entries[name] = .namespace(status) }
        return status
    }

    func remove(
        _ name: NamespaceName, didRemove: @escaping @Sendable () throws(SystemError) -> Void
    ) async throws(SystemError) -> Bool {
        try takeFailure()
        let existed = state.withLock { $0.entries.removeValue(forKey: name) != nil }
        try didRemove()
        return existed
    }

    func inspect(_ names: [NamespaceName]) async throws(SystemError) -> [NamespaceDirectory.Entry] {
        state.withLock { state in names.map { state.entries[$0] ?? .absent } }
    }

    func names() async throws(SystemError) -> [NamespaceName] {
        state.withLock { $0.entries.keys.sorted() }
    }

    func processes(in identity: NamespaceIdentity) async throws(SystemError) -> [Int32] {
        state.withLock { $0.inside[identity.inode] ?? [] }
    }

    func probe(mountID: UInt64) async throws(SystemError) {
        try verify(mountID)
        try takeFailure()
    }

    func propagation() async throws(SystemError) -> Propagation {
        Propagation(kind: .shared, isVisibleToHost: state.withLock { $0.isVisible })
    }

    func hostFacts() async throws(SystemError) -> HostFacts {
        throw SystemError(.open, "/fake", errno: .noSuchFileOrDirectory)
    }

    func blocking<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SystemError) -> Value
    ) async throws(SystemError) -> Value {
        try body()
    }
}
