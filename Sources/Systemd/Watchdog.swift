package import Glibc

/// What the service manager's watchdog wants: sd_watchdog_enabled(3) without libsystemd.
package enum Watchdog {
    /// How long the service may be silent before the manager takes it for dead; nil where no watchdog waits for
    /// `process`.
    package static func interval(environment: [String: String], process: pid_t = getpid()) -> Duration? {
        guard let text = environment["WATCHDOG_USEC"], let microseconds = Int64(text), microseconds > 0 else {
            return nil
        }
        if let pid = environment["WATCHDOG_PID"], pid_t(pid) != process { return nil }
        return .microseconds(microseconds)
    }
}
