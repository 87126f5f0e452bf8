import DequeModule

/// Which jobs come first when more wait than there are threads.
package enum JobPriority: Sendable, CaseIterable {
    /// Somebody waits for this one job.
    case interactive
    /// One of many that somebody waits for together.
    case batch
}

/// Jobs in the order in which they are to be run: by priority, and each kind in its own order of arrival.
struct JobQueue<Job> {
    /// How many jobs may overtake one of a lower priority before it is its turn.
    static var patience: Int { 16 }

    private var interactive = Deque<Job>()
    private var batch = Deque<Job>()
    /// How many have overtaken the first of `batch`.
    private var overtaken = 0

    var count: Int { interactive.count + batch.count }
    var isEmpty: Bool { interactive.isEmpty && batch.isEmpty }

    mutating func append(_ job: Job, _ priority: JobPriority) {
        switch priority {
        case .interactive: interactive.append(job)
        case .batch: batch.append(job)
        }
    }

    /// Puts a job before all others.
    mutating func prepend(_ job: Job) { interactive.prepend(job) }

    mutating func popFirst() -> Job? {
        if overtaken < Self.patience || batch.isEmpty, let job = interactive.popFirst() {
            overtaken = batch.isEmpty ? 0 : overtaken + 1
            return job
        }
        overtaken = 0
        return batch.popFirst()
    }
}
