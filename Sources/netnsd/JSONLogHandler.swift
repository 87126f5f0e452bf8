import FoundationEssentials
import Logging
import SystemPackage

/// One JSON object a line on standard error, for log collectors.
struct JSONLogHandler: LogHandler {
    var logLevel = Logger.Level.info
    var metadata = Logger.Metadata()
    var metadataProvider: Logger.MetadataProvider?

    private let label: String

    init(label: String) {
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line: [String: String] = [:]
        for (key, value) in metadata { line[key] = "\(value)" }
        for (key, value) in event.metadata ?? [:] { line[key] = "\(value)" }
        line["time"] = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        line["level"] = event.level.rawValue
        line["logger"] = label
        line["message"] = "\(event.message)"
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // A dictionary of strings always has a JSON form; and nobody is left to tell when standard error is gone.
        guard var content = try? encoder.encode(line) else { return }
        content.append(UInt8(ascii: "\n"))
        _ = try? FileDescriptor.standardError.writeAll(content)
    }
}
