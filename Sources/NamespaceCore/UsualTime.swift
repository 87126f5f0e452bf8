import LinuxKit
import Synchronization

/// How long something takes that is done again and again, learnt from the times before.
struct UsualTime: ~Copyable, Sendable {
    /// Zero before the first time.
    private let nanoseconds = Atomic<UInt64>(0)

    /// nil before the first time.
    var value: Duration? {
        let value = nanoseconds.load(ordering: .relaxed)
        return value > 0 ? .nanoseconds(Int64(value)) : nil
    }

    /// Takes in how long it took once. A shorter time counts at once: who expects too much waits in vain. A longer one
    /// counts in part, for it may have been interrupted.
    ///
    /// Of two that do so at once one may be lost.
    func learn(nanoseconds time: UInt64) {
        let known = nanoseconds.load(ordering: .relaxed)
        let isShorter = known == 0 || time < known
        nanoseconds.store(isShorter ? time : known + min(time - known, known) / 8, ordering: .relaxed)
    }
}
