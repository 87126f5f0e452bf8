import Synchronization

/// Makes whoever is refused wait, so that guessing is slow, at the cost of a suspended connection and no thread.
final class RefusalDelay: Sendable {
    /// How many wait at most, so that they do not take the connections of others; those beyond are answered at once.
    static let most = 256
    private let waiting = Atomic<Int>(0)

    /// Comes back a few tenths of a second later.
    func wait() async {
        defer { waiting.subtract(1, ordering: .relaxed) }
        guard waiting.add(1, ordering: .relaxed).newValue <= Self.most else { return }
        // Of no fixed length: what took the daemon how long is not to be told from it.
        try? await Task.sleep(for: .milliseconds(Int.random(in: 150...300)))
    }
}
