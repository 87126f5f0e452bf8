package import LinuxKit
import SystemPackage

/// The kernel as ``NamespaceManager`` sees it: one method a job. ``LinuxKernel`` is the real one; tests have another that
/// fails on demand, and both pass the same contract tests.
package protocol NamespaceKernel: Sendable {
    /// The mount directory's resolved path.
    var directory: String { get }

    /// Makes the directory a shared mount, or finds it so; answers the mount's id.
    func prepareDirectory() async throws(SystemError) -> UInt64

    /// Makes a namespace, or leaves nothing behind: `announce` learns its identity before its name appears, `withdraw`
    /// undoes that when it will not. Both are called on the job's thread.
    func create(
        _ name: NamespaceName, loopback: Loopback, mountID: UInt64,
        announce: @escaping @Sendable (NamespaceIdentity) throws(SystemError) -> Void,
        withdraw: @escaping @Sendable () -> Void
    ) async throws(SystemError) -> NamespaceStatus

    /// Detaches and unlinks a name, then calls `didRemove` on the same thread. False says that there was no such name.
    func remove(
        _ name: NamespaceName, didRemove: @escaping @Sendable () throws(SystemError) -> Void
    ) async throws(SystemError) -> Bool

    /// Looks at names, in their order.
    func inspect(_ names: [NamespaceName]) async throws(SystemError) -> [NamespaceDirectory.Entry]

    /// The names in the directory, in byte order.
    func names() async throws(SystemError) -> [NamespaceName]

    /// The processes inside a namespace.
    func processes(in identity: NamespaceIdentity) async throws(SystemError) -> [Int32]

    /// Throws what would keep a namespace from being created now.
    func probe(mountID: UInt64) async throws(SystemError)

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
package struct LinuxKernel: NamespaceKernel {
    private let namespaces: NamespaceDirectory
    private let workers: KernelWorkers

    package init(directory: MountDirectory, workers: KernelWorkers) {
        namespaces = NamespaceDirectory(directory)
        self.workers = workers
    }

    package var directory: String { namespaces.directory.path.string }

    package func prepareDirectory() async throws(SystemError) -> UInt64 {
        try await blocking { () throws(SystemError) in try namespaces.directory.prepare() }
    }

    package func create(
        _ name: NamespaceName, loopback: Loopback, mountID: UInt64,
        announce: @escaping @Sendable (NamespaceIdentity) throws(SystemError) -> Void,
        withdraw: @escaping @Sendable () -> Void
    ) async throws(SystemError) -> NamespaceStatus {
        try await workers.run { (thread) throws(SystemError) in
            try namespaces.create(
                name.bytes, raisingLoopback: loopback == .up, mountID: mountID, on: &thread, announce: announce,
                withdraw: withdraw)
        }
    }

    package func remove(
        _ name: NamespaceName, didRemove: @escaping @Sendable () throws(SystemError) -> Void
    ) async throws(SystemError) -> Bool {
        try await blocking { () throws(SystemError) in
            let existed = try namespaces.remove(name.bytes)
            try didRemove()
            return existed
        }
    }

    package func inspect(_ names: [NamespaceName]) async throws(SystemError) -> [NamespaceDirectory.Entry] {
        try await workers.run { (thread) throws(SystemError) in
            var entries: [NamespaceDirectory.Entry] = []
            entries.reserveCapacity(names.count)
            for name in names { entries.append(try namespaces.inspect(name.bytes, on: &thread)) }
            return entries
        }
    }

    package func names() async throws(SystemError) -> [NamespaceName] {
        try await blocking { () throws(SystemError) in
            do throws(SystemError) {
                return try namespaces.names().compactMap(NamespaceName.init(bytes:))
            } catch  where error.errno == .noSuchFileOrDirectory {
                return []  // Removed under us; the next create sets it up again.
            }
        }
    }

    package func processes(in identity: NamespaceIdentity) async throws(SystemError) -> [Int32] {
        try await blocking { () throws(SystemError) in
            try ProcessTable.processes(inNetworkNamespace: identity.inode)
        }
    }

    package func probe(mountID: UInt64) async throws(SystemError) {
        try await workers.run { (thread) throws(SystemError) in
            try namespaces.probe(mountID: mountID, on: &thread)
        }
    }

    package func propagation() async throws(SystemError) -> Propagation {
        try await blocking { () throws(SystemError) in try Propagation.of(namespaces.directory.path) }
    }

    package func hostFacts() async throws(SystemError) -> HostFacts {
        try await blocking { () throws(SystemError) in try HostFacts.read(directory: namespaces.directory) }
    }

    package func blocking<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SystemError) -> Value
    ) async throws(SystemError) -> Value {
        try await workers.run { (_) throws(SystemError) in try body() }
    }
}
