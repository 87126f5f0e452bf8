import HeapModule
import LinuxKit
import Logging

/// The ends of leases to come, the next one first. What is in it may be out of date: a lease that was renewed or whose
/// namespace is gone is passed over when its turn comes.
struct LeaseQueue {
    struct End: Comparable {
        /// When to look, in uptime.
        let time: Duration
        /// The end of the lease that is meant; with a failed deletion, earlier than `time`.
        let deadline: Duration
        let name: NamespaceName

        static func < (left: End, right: End) -> Bool { left.time < right.time }
    }

    private var ends = Heap<End>()

    var next: Duration? { ends.min?.time }
    var count: Int { ends.count }

    mutating func insert(_ end: End) { ends.insert(end) }

    /// Takes out one whose time has come.
    mutating func popDue(at time: Duration) -> End? {
        guard let first = ends.min, first.time <= time else { return nil }
        return ends.removeMin()
    }
}

extension NamespaceManager {
    /// Learns which namespace was to go because its lease had ended, the error if it did not, and how long it took.
    package typealias LeaseEnded = @Sendable (NamespaceName, NamespaceError?, Duration) -> Void

    /// Sees to it that the lease's end is acted on.
    func schedule(_ name: NamespaceName, _ lease: Lease?) {
        guard let deadline = lease?.deadline else { return }
        // Each renewal leaves an end behind that is out of date.
        if leases.count > 2 * records.all.count + Self.mostOutdatedLeases { forgetOutdatedLeases() }
        schedule(LeaseQueue.End(time: deadline, deadline: deadline, name: name))
    }

    private static let mostOutdatedLeases = 1000

    private func forgetOutdatedLeases() {
        leases = LeaseQueue()
        for (name, record) in records.all {
            guard let deadline = record.lease?.deadline else { continue }
            leases.insert(LeaseQueue.End(time: deadline, deadline: deadline, name: name))
        }
    }

    private func schedule(_ end: LeaseQueue.End) {
        let isFirst = leases.next.map { end.time < $0 } ?? true
        leases.insert(end)
        if isFirst { startLeaseTimer() }
    }

    /// There is one timer, for the next end.
    private func startLeaseTimer() {
        leaseTimer?.cancel()
        leaseTimer = nil
        guard let next = leases.next else { return }
        // Detached, as is the deletion: the end of a lease has no part in the request that set it.
        leaseTimer = Task.detached { [self, clock] in
            guard (try? await clock.sleep(until: next)) != nil else { return }
            await expireDue()
        }
    }

    private func expireDue() {
        while let end = leases.popDue(at: clock.uptime) {
            guard records[end.name]?.lease?.deadline == end.deadline else { continue }
            Task.detached { [self] in await expire(end) }
        }
        startLeaseTimer()
    }

    /// Deletes a namespace whose lease has ended, processes inside or not, unless it was renewed meanwhile.
    private func expire(_ end: LeaseQueue.End) async {
        let name = end.name
        let start = clock.uptime
        do throws(NamespaceError) {
            try await holding(name) { () async throws(NamespaceError) in
                guard self.records[name]?.lease?.deadline == end.deadline else { return }
                guard let namespace = try await self.look(at: name), namespace.record != nil else {
                    // Gone, or another of the name by now.
                    try await self.forget(name)
                    return
                }
                guard try await self.remove(name, as: .expired, meaning: namespace) else { return }
                self.leaseEnded(name, nil, self.clock.uptime - start)
                self.logger.info("a lease ended, and its namespace with it", metadata: ["name": "\(name)"])
            }
        } catch {
            tally.failed(.expire, error)
            leaseEnded(name, error, clock.uptime - start)
            logger.error(
                "a namespace whose lease has ended could not be deleted; it is tried again",
                metadata: ["name": "\(name)", "error": "\(error)"])
            schedule(LeaseQueue.End(time: clock.uptime + .seconds(1), deadline: end.deadline, name: name))
        }
    }
}
