import Glibc

/// The places at which dying leaves something half done. Tests kill a debug build at each of them, to see that the next
/// start finds it and finishes or undoes it.
///
/// A debug build started with `NETNSD_CRASH_AT` set to a raw value ends at that place as `kill -9` would end it. In a
/// release build passing a point is nothing at all.
package enum CrashPoint: String, Sendable, CaseIterable {
    /// A create: the record is there, the file is not.
    case recordWritten = "record-written"
    /// A create: the file is there, nothing is mounted on it.
    case fileCreated = "file-created"
    /// A create: the namespace is mounted, nobody has been told.
    case namespaceMounted = "namespace-mounted"
    /// A create with an idempotency key: done, and the answer is not kept yet.
    case answerUnsaved = "answer-unsaved"
    /// A delete: nothing is mounted any more, the file is there.
    case namespaceDetached = "namespace-detached"
    /// A delete: the file is gone, the record is there.
    case fileUnlinked = "file-unlinked"
    /// A batch: some items are made, others are not.
    case batchStarted = "batch-started"
    /// An atomic batch: every item is made, the batch still counts as unfinished.
    case batchUncommitted = "batch-uncommitted"
    /// A patch: nothing is written yet.
    case patchUnwritten = "patch-unwritten"
    /// A patch: written, and nobody has been told.
    case patchWritten = "patch-written"
    /// An attachment: the plugins have made it and it is kept, nobody has been told.
    case attachmentUnanswered = "attachment-unanswered"
    /// A wire: its record is there, its links are not.
    case wireUnmade = "wire-unmade"
    /// A wire: its links are there, it still counts as unfinished.
    case wireMade = "wire-made"
    /// A link of the host: its record is there, it is still in the host.
    case hostLinkUnmoved = "host-link-unmoved"
    /// A link of the host: it is in the namespace, and its record does not tell by which index.
    case hostLinkMoved = "host-link-moved"

    /// Ends the process here, if a test chose this point.
    @inline(__always)
    package func pass() {
        #if DEBUG
            if Self.chosen == self { kill(getpid(), SIGKILL) }
        #endif
    }

    #if DEBUG
        private static let chosen: CrashPoint? = {
            guard let name = unsafe getenv("NETNSD_CRASH_AT") else { return nil }
            return CrashPoint(rawValue: unsafe String(cString: name))
        }()
    #endif
}
