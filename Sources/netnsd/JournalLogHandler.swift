import Logging
import SystemPackage

/// Lines for the journal on standard error: a priority (sd-daemon(3)) and the message. The journal adds the time and
/// the name of the service.
struct JournalLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata = Logger.Metadata()
    var metadataProvider: Logger.MetadataProvider?

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let fields = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let line = Self.line("\(event.message)\(fields)", at: event.level)
        // With standard error gone, nobody is left to tell.
        _ = try? FileDescriptor.standardError.writeAll(line.utf8)
    }

    /// One line whatever the text: a second one would be an entry of its own, without the priority.
    static func line(_ text: String, at level: Logger.Level) -> String {
        "<\(level.journalPriority)>" + text.split(whereSeparator: \.isNewline).joined(separator: "\\n") + "\n"
    }
}

extension Logger.Level {
    /// As in syslog(3).
    fileprivate var journalPriority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
