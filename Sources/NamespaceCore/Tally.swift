import LinuxKit
import Synchronization
package import SystemPackage

/// What failed, counted by what was done and how the kernel answered. It is counted here, and told by whoever asks.
package final class Tally: Sendable {
    /// What was to be done to a namespace.
    package enum Operation: String, Sendable, CaseIterable {
        case create
        case adopt
        case update
        case delete
        /// Deleting it because its lease has ended.
        case expire
        /// Finding out whether one could be created.
        case probe
    }

    /// Some failures that are alike.
    package struct Failures: Sendable {
        package let operation: Operation
        /// nil where no system call failed.
        package let errno: Errno?
        package let count: UInt64
    }

    /// One place more than Linux has errnos; 0 stands for none, and for one that Linux does not have.
    private final class Row: Sendable {
        let counts = InlineArray<134, Atomic<UInt64>> { _ in Atomic(0) }
    }

    private let rows = Operation.allCases.map { _ in Row() }

    package init() {}

    func failed(_ operation: Operation, _ error: NamespaceError) {
        let errno = Int(error.cause?.errno.rawValue ?? 0)
        for (row, candidate) in zip(rows, Operation.allCases) where candidate == operation {
            row.counts[row.counts.indices.contains(errno) ? errno : 0].add(1, ordering: .relaxed)
        }
    }

    /// What has failed until now, without what never did.
    package var failures: [Failures] {
        zip(Operation.allCases, rows).flatMap { (operation, row) in
            row.counts.indices.compactMap { number in
                let count = row.counts[number].load(ordering: .relaxed)
                guard count > 0 else { return nil }
                return Failures(
                    operation: operation, errno: number == 0 ? nil : Errno(rawValue: Int32(number)), count: count)
            }
        }
    }
}

/// How many namespaces there are, as far as the index and the records tell.
package struct Census: Sendable, Equatable {
    package var created = 0
    package var adopted = 0
    package var external = 0
    /// Files that are no namespace.
    package var stale = 0
    package var leases = 0
}

extension NamespaceManager {
    /// Counts the namespaces without looking at any.
    package func census() -> Census {
        var census = Census(stale: index.staleCount)
        for record in records.all.values {
            if record.origin == .created { census.created += 1 } else { census.adopted += 1 }
            if record.lease != nil { census.leases += 1 }
        }
        // A record may be there a moment longer than its namespace.
        census.external = max(0, index.count - census.stale - census.created - census.adopted)
        return census
    }
}
