import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/healthz`: the process is alive and answers.
    static let health: Route = {
        let alive = Response.json { $0.member("status", "ok") }
        return Route("/healthz", [(.get, .open, .immediate(alive))])
    }()

    /// `/readyz`: a namespace could be created now, or the exact reason why not, found out by trying;
    /// or the daemon is going down.
    static func readiness(_ manager: NamespaceManager, _ lifecycle: Lifecycle) -> Route {
        let ready = Response.json { $0.member("status", "ready") }
        return Route(
            "/readyz",
            [
                (
                    .get, .read,
                    .awaiting { (_, _) async throws(Problem) in
                        guard !lifecycle.isLeaving else {
                            throw Problem(.shuttingDown, "The daemon is going down; send it nothing new.")
                        }
                        do throws(NamespaceError) {
                            try await manager.checkReadiness()
                            return ready
                        } catch {
                            throw Problem(notReady: error)
                        }
                    }
                )
            ])
    }
}

extension Problem {
    /// Whatever the reason, the answer to "ready?" is 503: an unexpected kernel error is no bug of the probe.
    fileprivate init(notReady error: NamespaceError) {
        self.init(
            error.code == .kernelFailure
                ? NamespaceError(.directoryUnavailable, error.message, cause: error.cause) : error)
    }
}
