package import LinuxKit
package import Logging
package import NamespaceCore
import SystemPackage

/// Who did what, as JSON lines: every mutation, every refusal, and what the daemon does by itself.
///
/// The lines are written by a thread of their own. A disk that is full or fails keeps nobody from their answer: the
/// lines are lost, counted in `/metrics`, and the log says so once.
package final class AuditLog: Sendable {
    private let lines: LineLog
    private let logger: Logger

    /// Opens the file, with mode 0640 where it is new.
    package init(_ destination: LineLog.Destination, logger: Logger) throws(SystemError) {
        self.logger = logger
        lines = try LineLog(destination) { failure in
            if let failure {
                logger.error("the audit log cannot be written; lines are lost", metadata: ["error": "\(failure)"])
            } else {
                logger.notice("the audit log is written again")
            }
        }
    }

    /// What became of the lines until now.
    package var counts: LineLog.Counts { lines.counts }

    /// Goes on in the file that has the path now, after log rotation has moved the one in use away.
    ///
    /// - Throws: What kept the file from being opened; the old one stays in use.
    package func reopen() async throws(SystemError) {
        try await lines.reopen()
    }

    /// Writes what waits, and closes the file. Later lines are lost.
    package func close() async {
        guard await lines.stop(within: .seconds(5)) else {
            logger.error("the audit log could not be written to its end")
            return
        }
        let counts = lines.counts
        guard counts.unqueued + counts.unwritten > 0 else { return }
        logger.warning("lines of the audit log were lost", metadata: ["lines": "\(counts.unqueued + counts.unwritten)"])
    }

    /// Never waits.
    func append(_ record: AuditRecord) {
        let names = record.notes.touched.names.count + record.notes.failed.names.count
        lines.append(weight: 1 + names / 4) { record.line }
    }

    /// Records that the daemon deleted a namespace because its lease had ended, or could not.
    package func recordLeaseEnd(_ name: NamespaceName, _ error: NamespaceError?, _ time: Duration) {
        var notes = AuditNotes.Content()
        if error == nil { notes.touched.add(name.description) } else { notes.failed.add(name.description) }
        append(
            AuditRecord(
                event: .leaseExpiry, request: nil, principal: .daemon, client: nil, method: nil, route: nil,
                notes: notes, status: nil, problem: error.map { Problem($0).code.rawValue },
                errno: error?.cause?.errno, microseconds: UInt64(max(0, time / .microseconds(1)))))
    }
}
