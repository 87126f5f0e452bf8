import ArgumentParser
import LinuxKit
import Logging
import NamespaceCore
import SystemPackage

/// Words for what keeps the daemon from starting: one line on standard error and a failing exit status.
enum StartFailure {
    /// Prints the line; throw what it answers.
    static func exit(describing error: any Error, isForJournal: Bool = false) -> ExitCode {
        let text = "netnsd: \(text(error))"
        let line = isForJournal ? JournalLogHandler.line(text, at: .error) : text + "\n"
        // With standard error gone, the exit status still tells.
        _ = try? FileDescriptor.standardError.writeAll(line.utf8)
        return .failure
    }

    private static func text(_ error: any Error) -> String {
        switch error {
        case let error as NamespaceError:
            [error.message, error.cause.map { "\($0)" }].compactMap(\.self).joined(separator: " ")
        case let error as SystemError where error.operation == .flock:
            "\(error.path ?? "") is the state directory of a running netnsd; stop that one, or give another --state-dir"
        case let error as SystemError where error.errno == .notPermitted || error.errno == .permissionDenied:
            "\(error); netnsd runs as root"
        default:
            "\(error)"
        }
    }
}
