import DequeModule

/// Which jobs come first when more wait than there are threads, in that order.
package enum JobPriority: Int, Sendable, CaseIterable, Comparable {
    /// Somebody waits for this one job, and it is soon done.
    case interactive
    /// Somebody waits for this one, and so would everybody behind it: what makes a namespace, changes what is inside of
    /// one or goes through all processes takes the kernel ten times as long as a look or a removal.
    case lengthy
    /// One of many that somebody waits for together.
    case batch

    package static func < (left: JobPriority, right: JobPriority) -> Bool { left.rawValue < right.rawValue }
}

/// Jobs in the order in which they are to be run: by priority, and each kind in its own order of arrival.
struct JobQueue<Job> {
    /// How many jobs may overtake the first one of a lower priority before it is its turn: in the long run each kind has
    /// at least one turn in so many.
    static var patience: Int { 16 }

    /// The jobs of one priority.
    private struct Lane {
        var jobs = Deque<Job>()
        /// How many have overtaken the first.
        var overtaken = 0
    }

    private var lanes = JobPriority.allCases.map { _ in Lane() }

    var count: Int { lanes.reduce(0) { $0 + $1.jobs.count } }
    var isEmpty: Bool { lanes.allSatisfy(\.jobs.isEmpty) }

    mutating func append(_ job: Job, _ priority: JobPriority) {
        lanes[priority.rawValue].jobs.append(job)
    }

    mutating func popFirst() -> Job? {
        guard let next = nextLane else { return nil }
        lanes[next].overtaken = 0
        for other in lanes.indices.dropFirst(next + 1) where !lanes[other].jobs.isEmpty { lanes[other].overtaken += 1 }
        return lanes[next].jobs.popFirst()
    }

    /// Of those that have waited long enough the one that otherwise would wait longest, or else the first.
    private var nextLane: Int? {
        lanes.lastIndex { !$0.jobs.isEmpty && $0.overtaken >= Self.patience }
            ?? lanes.firstIndex { !$0.jobs.isEmpty }
    }
}
