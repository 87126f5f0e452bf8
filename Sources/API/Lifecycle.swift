import Synchronization

/// Whether the daemon is about to go down, which `/readyz` tells before anything else changes.
package final class Lifecycle: Sendable {
    private let leaving = Atomic<Bool>(false)

    /// A daemon that stays.
    package init() {}

    /// Whether the daemon is going down, although it may still serve.
    package var isLeaving: Bool { leaving.load(ordering: .relaxed) }

    /// From now on `/readyz` fails. There is no way back.
    package func leave() { leaving.store(true, ordering: .relaxed) }
}
