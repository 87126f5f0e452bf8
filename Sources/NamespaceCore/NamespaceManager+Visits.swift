package import LinuxKit

extension NamespaceManager {
    /// Runs `body` on a worker with the names' namespaces open, in the order of the names, while no other operation on
    /// any of the names runs.
    ///
    /// - Parameters:
    ///   - action: What `body` does to the namespaces; nil for what everybody may.
    ///   - authority: Who asks for it.
    /// - Throws: `.notFound`, `.stale`, what `authority` refuses, and what `body` throws.
    package func visiting<Value: Sendable>(
        _ names: [NamespaceName], to action: Authority.Action?, by authority: Authority = .unlimited,
        _ body: @escaping @Sendable ([OpenNamespace], inout KernelThread) throws(SystemError) -> Value
    ) async throws(NamespaceError) -> Value {
        try await holding(names) { () async throws(NamespaceError) in
            try await self.check(action, on: names, by: authority)
            return try await self.visitingHeld(names, body)
        }
    }

    /// As ``visiting(_:to:by:_:)``, for who holds the names already.
    package func visitingHeld<Value: Sendable>(
        _ names: [NamespaceName],
        _ body: @escaping @Sendable ([OpenNamespace], inout KernelThread) throws(SystemError) -> Value
    ) async throws(NamespaceError) -> Value {
        do throws(SystemError) {
            return try await kernel.visit(names, body)
        } catch {
            throw NamespaceError(error)
        }
    }

    /// The other names in the directory, the first thousand of them: where the other end of a link may be.
    package func candidates(besides name: NamespaceName) -> Candidates {
        Candidates(rest: index.names.prefix(Self.mostCandidates), excluded: name)
    }

    private static let mostCandidates = 1000

    /// The names in the directory that stand for namespaces, as far as the index tells.
    package var allNames: [NamespaceName] { index.names.filter { index[$0] != .stale } }

    /// Runs blocking work that touches no namespace on a worker.
    package func working<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SystemError) -> Value
    ) async throws(NamespaceError) -> Value { try await asWorker(body) }

    /// The wall clock's time.
    package nonisolated var now: Timestamp { clock.now }

    /// Runs `body`, which is somebody else's, while no other operation on any of the names runs.
    package func reserving<Value: Sendable, Failure: Error>(
        _ names: [NamespaceName], _ body: @Sendable () async throws(Failure) -> Value
    ) async throws(Failure) -> Value { try await holding(names, body) }

    /// Runs `body` while no other operation on any of the names runs.
    func holding<Value: Sendable, Failure: Error>(
        _ names: [NamespaceName], _ body: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        // In one order, or two who want the same names would wait for each other.
        let order = Set(names).sorted()
        for name in order { await take(name) }
        defer { for name in order { release(name) } }
        return try await body()
    }

    /// Throws unless all of the namespaces are there and the action may be done to them.
    package func check(
        _ action: Authority.Action?, on names: [NamespaceName], by authority: Authority
    ) async throws(NamespaceError) {
        guard let action, !authority.isUnlimited else { return }
        for name in names { try authority.check(action, on: try await existing(name)) }
    }
}

/// Names to look at one after the other. Mostly nobody does, so that they are not copied.
package struct Candidates: Sendable, IteratorProtocol {
    fileprivate var rest: ArraySlice<NamespaceName>
    fileprivate let excluded: NamespaceName

    package mutating func next() -> NamespaceName? {
        while let name = rest.popFirst() {
            if name != excluded { return name }
        }
        return nil
    }
}
