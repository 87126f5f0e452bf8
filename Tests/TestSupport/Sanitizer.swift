import Foundation

/// What deploy/sanitized says of the build.
package enum Sanitizer {
    /// Whether the daemon runs under one, which multiplies its memory and its time.
    package static var isOn: Bool {
        let environment = ProcessInfo.processInfo.environment
        return environment["ASAN_OPTIONS"] != nil || environment["TSAN_OPTIONS"] != nil
    }
}
