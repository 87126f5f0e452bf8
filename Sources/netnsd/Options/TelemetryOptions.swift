import ArgumentParser
import LinuxKit
import SystemPackage

/// The flags of what the daemon tells of itself.
struct TelemetryOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Append a JSON line for every mutation and refusal to this file; - for standard output, none for no audit \
            log. [NETNSD_AUDIT_LOG] (default: none)
            """,
            valueName: "file"))
    var auditLog: String?

    @Option(
        help: ArgumentHelp(
            """
            Tell the counters of the links inside the namespaces on /metrics, of at most so many; 0 for none. Each is \
            ten series. [NETNSD_LINK_METRICS] (default: 0)
            """,
            valueName: "count"))
    var linkMetrics: Int?
}

/// What the flags, the environment and the defaults say of it.
struct TelemetrySettings {
    /// nil for no audit log.
    let auditLog: LineLog.Destination?
    /// Of how many links `/metrics` has counters.
    let linkMetrics: Int

    private static let mostLinks = 10_000

    /// - Parameter variable: The value of `NETNSD_…`, nil where it is not set.
    /// - Throws: `ValidationError` with a line for the user.
    init(_ options: TelemetryOptions, variable: (String) -> String?) throws {
        let links = options.linkMetrics.map(String.init) ?? variable("LINK_METRICS") ?? "0"
        guard let number = Int(links), (0...Self.mostLinks).contains(number) else {
            throw ValidationError("--link-metrics '\(links)' is no whole number from 0 to \(Self.mostLinks).")
        }
        linkMetrics = number
        switch options.auditLog ?? variable("AUDIT_LOG") ?? "none" {
        case "none": auditLog = nil
        case "-": auditLog = .standardOutput
        case let path where path.hasPrefix("/"): auditLog = .file(FilePath(path))
        case let path: throw ValidationError("--audit-log '\(path)' is no absolute path, and not - or none.")
        }
    }
}
