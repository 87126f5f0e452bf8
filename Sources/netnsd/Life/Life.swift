import API
import Logging
import MicroHTTP
import NamespaceCore
import Systemd
import UnixSignals

/// From ready to gone: what signals do, what the service manager is told, and the order of going down.
struct Life {
    /// What the daemon lives until.
    static let signals: [UnixSignal] = [.sigterm, .sigint, .sighup]

    let settings: LifeSettings
    let manager: ServiceManager
    let lifecycle: Lifecycle
    let server: HTTPServer
    let events: EventLog
    let reloads: [Reload]
    let vitals: [Vital]
    let logger: Logger

    /// Serves until SIGTERM or SIGINT, then goes down in order. A SIGHUP meanwhile reloads.
    func run(_ signals: UnixSignalsSequence) async {
        let beat = Task { await keepWatchdog() }
        defer { beat.cancel() }
        manager.tell(.ready(status: status))
        let (ends, end) = AsyncStream.makeStream(of: UnixSignal.self)
        let listening = Task {
            var reloading: Task<Void, Never>?
            for await signal in signals {
                if signal == .sighup {
                    // One after the other, and none keeps a SIGTERM waiting.
                    reloading = Task { [reloading] in
                        await reloading?.value
                        await reload()
                    }
                } else {
                    end.yield(signal)
                }
            }
        }
        defer { listening.cancel() }
        for await signal in ends {
            await goDown(at: signal, hurriedBy: ends)
            return
        }
    }

    private var status: String { "Serving on \(server.addresses.joined(separator: " "))" }

    private func reload() async {
        guard !lifecycle.isLeaving else { return }
        manager.tell(.reloading)
        await reloads.runAll(logger: logger)
        if !lifecycle.isLeaving { manager.tell(.ready(status: status)) }
    }

    private func goDown(at signal: UnixSignal, hurriedBy signals: AsyncStream<UnixSignal>) async {
        lifecycle.leave()
        logger.notice(
            "draining",
            metadata: [
                "signal": "\(signal)", "delay": "\(settings.drainDelay)", "deadline": "\(settings.drain)",
            ])
        manager.tell(.stopping(status: "Draining"))
        let grace = Task { try? await Task.sleep(for: settings.drainDelay) }
        let impatience = Task {
            for await signal in signals {
                logger.notice("draining no longer", metadata: ["signal": "\(signal)"])
                grace.cancel()
                server.hurry()
            }
        }
        defer { impatience.cancel() }
        await grace.value
        // Those who wait for events would keep it waiting until the deadline.
        events.close()
        await server.shutdown(deadline: settings.drain)
    }

    private func keepWatchdog() async {
        guard let interval = manager.watchdog else { return }
        // sd_watchdog_enabled(3): notify every half of the time.
        await HealthBeat(vitals, logger: logger).run(every: interval / 2) { manager.tell(.alive) }
    }
}
