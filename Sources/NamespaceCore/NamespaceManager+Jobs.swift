import LinuxKit

extension NamespaceManager {
    /// Runs blocking work on a worker.
    func asWorker<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SystemError) -> Value
    ) async throws(NamespaceError) -> Value {
        do throws(SystemError) {
            return try await kernel.blocking(body)
        } catch {
            throw NamespaceError(error)
        }
    }

    /// How many things are under way at once: enough that no worker ever waits for the next one.
    private static let width = 8

    /// Does the same for every item, a few of them at once; answers the results in order.
    ///
    /// - Parameter priority: What the items' jobs are to the workers.
    func concurrently<Item: Sendable, Value: Sendable>(
        _ items: [Item], priority: JobPriority = .batch, _ body: @escaping @Sendable (Item) async -> Value
    ) async -> [Value] {
        await KernelWorkers.$priority.withValue(priority) { await self.inTurn(items, body) }
    }

    private func inTurn<Item: Sendable, Value: Sendable>(
        _ items: [Item], _ body: @escaping @Sendable (Item) async -> Value
    ) async -> [Value] {
        var results = [Value?](repeating: nil, count: items.count)
        await withTaskGroup(of: (Int, Value).self) { group in
            var next = 0
            func addTask() {
                guard next < items.count else { return }
                let (number, item) = (next, items[next])
                next += 1
                group.addTask { (number, await body(item)) }
            }
            for _ in 0..<Self.width { addTask() }
            for await (number, value) in group {
                results[number] = value
                addTask()
            }
        }
        return results.compactMap(\.self)
    }
}

extension Array {
    /// The elements in arrays of so many; the last one may be shorter.
    package func chunks(of size: Int) -> [[Element]] {
        stride(from: 0, to: count, by: size).map { Array(self[$0...].prefix(size)) }
    }
}

extension Result where Success: Sendable {
    /// What `body` returns or throws.
    init(isolation: isolated (any Actor)? = #isolation, _ body: () async throws(Failure) -> Success) async {
        do throws(Failure) {
            self = .success(try await body())
        } catch {
            self = .failure(error)
        }
    }
}
