import LinuxKit
import Logging

/// Why an atomic batch came to nothing.
package struct BatchError: Error, Sendable {
    /// The first item that failed, counted from 0.
    package let item: Int
    package let cause: NamespaceError
}

extension NamespaceManager {
    /// How many items of a batch are one job: few enough that a single create in between does not wait long.
    private static let chunk = 4

    /// Makes every namespace that can be made; answers one result an item, in order.
    ///
    /// - Parameter made: The items that an earlier try of the same request made, by their number.
    package func create(
        _ creations: [Creation], made: [Int: NamespaceName] = [:]
    ) async -> [Result<Namespace, NamespaceError>] {
        guard made.isEmpty else {
            return await concurrently(creations.indices.map { ($0, creations[$0]) }) { (number, creation) in
                if let name = made[number], let namespace = try? await self.namespace(name),
                    namespace.record?.request == creation.request
                {
                    return .success(namespace)
                }
                return await Result { () async throws(NamespaceError) in try await self.create(creation) }
            }
        }
        return await concurrently(creations.chunks(of: Self.chunk)) { chunk in
            await self.createChunk(chunk)
        }.flatMap(\.self)
    }

    private func createChunk(_ creations: [Creation]) async -> [Result<Namespace, NamespaceError>] {
        let items: [(name: NamespaceName, creation: Creation)]
        do throws(NamespaceError) {
            items = try Self.named(creations)
        } catch {
            return creations.map { _ in .failure(error) }
        }
        return await holding(items.map(\.name)) {
            var results: [Result<Namespace, NamespaceError>] = []
            for result in await self.make(items) {
                switch result {
                case .success(let made): results.append(.success(await self.register(made)))
                case .failure(let error): results.append(.failure(error))
                }
            }
            return results
        }
    }

    private static func named(
        _ creations: [Creation]
    ) throws(NamespaceError) -> [(name: NamespaceName, creation: Creation)] {
        var items: [(name: NamespaceName, creation: Creation)] = []
        for creation in creations {
            switch creation.name {
            case .exactly(let name): items.append((name, creation))
            case .generated(let prefix): items.append((try generate(prefix), creation))
            }
        }
        return items
    }

    /// Makes all of the namespaces or none of them. Nobody is told of one before all are there, also after a crash.
    ///
    /// - Parameter made: The items that an earlier try of the same request made, by their number: all or none.
    package func createAtomically(
        _ creations: [Creation], made: [Int: NamespaceName] = [:]
    ) async throws(BatchError) -> [Namespace] {
        if made.count == creations.count {
            let results = await create(creations, made: made)
            return try results.enumerated().map { (number, result) throws(BatchError) in
                do throws(NamespaceError) {
                    return try result.get()
                } catch {
                    throw BatchError(item: number, cause: error)
                }
            }
        }
        let items: [(name: NamespaceName, creation: Creation)]
        do throws(NamespaceError) {
            items = try Self.named(creations)
        } catch {
            throw BatchError(item: 0, cause: error)
        }
        return try await holding(items.map(\.name)) {
            await Result { () async throws(BatchError) in try await self.createAtomically(items) }
        }.get()
    }

    private func createAtomically(
        _ items: [(name: NamespaceName, creation: Creation)]
    ) async throws(BatchError) -> [Namespace] {
        let batch = "\(bootID)-\(String(UInt64.random(in: 0...UInt64.max), radix: 16))"
        try await journal(batch) { (journal) throws(SystemError) in try journal.begin(batch) }
        let results = await concurrently(items.chunks(of: Self.chunk)) { chunk in
            let results = await self.make(chunk, batch: batch)
            CrashPoint.batchStarted.pass()
            return results
        }.flatMap(\.self)
        CrashPoint.batchUncommitted.pass()
        let failed = results.firstIndex { if case .failure = $0 { true } else { false } }
        if let failed, case .failure(let cause) = results[failed] {
            await undo(results.compactMap { try? $0.get() }, of: batch)
            throw BatchError(item: failed, cause: cause)
        }
        let made = results.compactMap { try? $0.get() }
        do throws(BatchError) {
            try await journal(batch) { (journal) throws(SystemError) in try journal.end(batch) }
        } catch {
            await undo(made, of: batch)
            throw error
        }
        var namespaces: [Namespace] = []
        for one in made { namespaces.append(await register(one)) }
        return namespaces
    }

    /// Removes what an atomic batch made. What cannot be removed now stays in the journal, for the next start.
    private func undo(_ made: [Made], of batch: String) async {
        let failures = await concurrently(made) { item in
            await Result { () async throws(NamespaceError) in try await self.unmake(item.name) }
        }.compactMap { if case .failure(let error) = $0 { error } else { nil } }
        for failure in failures { tally.failed(.delete, failure) }
        guard failures.isEmpty else {
            logger.error(
                "a failed batch could not be undone; the next start does it",
                metadata: ["batch": "\(batch)", "error": "\(failures[0])"])
            return
        }
        do throws(BatchError) {
            try await journal(batch) { (journal) throws(SystemError) in try journal.end(batch) }
        } catch {
            logger.error("a batch's journal could not be removed", metadata: ["error": "\(error.cause)"])
        }
    }

    private func journal(
        _ batch: String, _ body: @escaping @Sendable (BatchJournal) throws(SystemError) -> Void
    ) async throws(BatchError) {
        let journal = journal
        do throws(NamespaceError) {
            try await asWorker { () throws(SystemError) in try body(journal) }
        } catch {
            tally.failed(.create, error)
            throw BatchError(item: 0, cause: error)
        }
    }
}
