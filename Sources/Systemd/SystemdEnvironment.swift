import Glibc

/// The variables that a service manager passes what it wants of the service in.
package enum SystemdEnvironment {
    /// Every variable that this module reads.
    package static let variables = [
        "LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
    ]

    /// Takes the variables out of the process's own environment, so that they are meant for nobody else: no child of
    /// this process is the service.
    ///
    /// Call it once, before anything else looks at the environment: setenv(3) is not safe beside that.
    package static func clear() {
        for name in variables { _ = unsafe unsetenv(name) }
    }
}
