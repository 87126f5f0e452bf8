import Logging
import Systemd

/// The service manager that started the daemon, if any did.
struct ServiceManager: Sendable {
    private let notifier: ServiceNotifier?
    /// How long the daemon may be silent; nil without a watchdog.
    let watchdog: Duration?
    private let logger: Logger

    init(environment: [String: String], logger: Logger) throws {
        notifier = try ServiceNotifier(environment: environment)
        watchdog = Watchdog.interval(environment: environment)
        self.logger = logger
    }

    /// Tells it, or logs why that failed: the daemon serves all the same.
    func tell(_ state: ServiceNotifier.State) {
        do throws(ServiceNotifier.Failure) {
            try notifier?.send(state)
        } catch {
            logger.warning("\(error)")
        }
    }
}
