import Synchronization

/// Durations, counted by how long they were. Any thread may add one at any time, and none waits for another: two
/// relaxed additions to memory that was there before.
package final class DurationTally: Sendable {
    /// The upper ends of the classes, inclusive, in nanoseconds; what is longer is in a class of its own.
    ///
    /// From a tenth of a millisecond, what a lookup takes, to a poll that waits.
    package static let bounds: [UInt64] = [
        100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000,
        250_000_000, 500_000_000, 1_000_000_000, 2_500_000_000, 10_000_000_000,
    ]

    /// What was counted until some moment.
    package struct Reading: Sendable, Equatable {
        /// How many were in each class, one more than there are bounds.
        package let counts: [UInt64]
        /// How long all of them were together.
        package let nanoseconds: UInt64

        package var total: UInt64 { counts.reduce(0, +) }
    }

    private let counts = InlineArray<16, Atomic<UInt64>> { _ in Atomic(0) }
    private let sum = Atomic<UInt64>(0)

    package init() {
        precondition(Self.bounds.count + 1 == counts.count, "there is one class more than bounds")
    }

    package func add(nanoseconds: UInt64) {
        var place = 0
        while place < Self.bounds.count, nanoseconds > Self.bounds[place] { place += 1 }
        counts[place].add(1, ordering: .relaxed)
        sum.add(nanoseconds, ordering: .relaxed)
    }

    /// What has been counted; a duration that is being added at the moment may be in a part of it only.
    package var reading: Reading {
        Reading(
            counts: counts.indices.map { counts[$0].load(ordering: .relaxed) },
            nanoseconds: sum.load(ordering: .relaxed))
    }
}

/// What the jobs of a pool of workers took.
package struct JobTally: Sendable {
    /// From being queued to being begun.
    package let waiting = DurationTally()
    /// From being begun to being done.
    package let working = DurationTally()

    package init() {}
}
