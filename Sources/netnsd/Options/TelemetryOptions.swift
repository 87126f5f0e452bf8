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
}

/// What the flags, the environment and the defaults say of it.
struct TelemetrySettings {
    /// nil for no audit log.
    let auditLog: LineLog.Destination?

    /// - Parameter variable: The value of `NETNSD_…`, nil where it is not set.
    /// - Throws: `ValidationError` with a line for the user.
    init(_ options: TelemetryOptions, variable: (String) -> String?) throws {
        switch options.auditLog ?? variable("AUDIT_LOG") ?? "none" {
        case "none": auditLog = nil
        case "-": auditLog = .standardOutput
        case let path where path.hasPrefix("/"): auditLog = .file(FilePath(path))
        case let path: throw ValidationError("--audit-log '\(path)' is no absolute path, and not - or none.")
        }
    }
}
