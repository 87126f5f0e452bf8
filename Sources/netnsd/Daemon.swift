import API
import LinuxKit
import Logging
import MicroHTTP
import NamespaceCore
import SystemPackage
import UnixSignals

/// The parts of a running daemon, put together in the order of their dependencies and taken apart in reverse.
struct Daemon {
    private static let drainSeconds = 10
    private static let lockPatience = Duration.seconds(1)
    /// How often a quiet stream of events shows a sign of life, which is how a dead reader is found.
    private static let heartbeat = Duration.seconds(15)

    private let settings: Settings
    private let logger: Logger

    init(_ settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    /// Serves until SIGTERM or SIGINT, then drains. The namespaces stay.
    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let lock = try await lockState()
        defer { lock.release() }
        let state = FilePath(settings.stateDirectory)
        let store = try RecordStore(directory: state)
        let directory = try MountDirectory(creating: FilePath(settings.namespaceDirectory))
        let pool = try WarmPool(capacity: settings.warmNamespaces)
        defer { pool.close() }
        let workers = try KernelWorkers(count: settings.workers, preparation: pool) { store.restock() }
        let kernel = try LinuxKernel(directory: directory, workers: workers, pool: pool)
        let bootID = try HostFacts.bootID()
        let manager = NamespaceManager(
            kernel: kernel, store: store, journal: try BatchJournal(directory: state),
            answers: try AnswerStore(directory: state, kernel: kernel, bootID: bootID), bootID: bootID, logger: logger)
        let events = Task { await manager.events.run(interval: Self.heartbeat) }
        defer { events.cancel() }
        do {
            let found = try await manager.start()
            let server = try HTTPServer.start(
                on: settings.addresses, configuration: HTTPServer.Configuration(),
                handler: APIHandler(manager: manager, workers: settings.workers, logger: logger), logger: logger)
            logger.notice(
                "netnsd is ready",
                metadata: [
                    "version": "\(Version.current)", "directory": "\(directory.path)",
                    "entries": "\(found.entries)", "created": "\(found.created)", "adopted": "\(found.adopted)",
                    "external": "\(found.external)", "stale": "\(found.stale)", "leases": "\(found.leases)",
                    "undone": "\(found.undone)", "setAside": "\(found.setAside)",
                    "listening": "\(server.addresses.joined(separator: ","))",
                ])
            await wait(for: signals)
            // Those who wait for events would keep it waiting until the deadline.
            manager.events.close()
            await server.shutdown(deadline: .seconds(Self.drainSeconds))
        } catch {
            await manager.stop()
            await workers.stop()
            throw error
        }
        await manager.stop()
        await workers.stop()
        logger.notice("netnsd has stopped; the namespaces stay")
    }

    /// A daemon that was killed a moment ago, with thousands of namespaces to let go of, still has the lock.
    private func lockState() async throws -> StateDirectory {
        let giveUp = ContinuousClock.now + Self.lockPatience
        while true {
            do throws(SystemError) {
                return try StateDirectory.lock(FilePath(settings.stateDirectory))
            } catch {
                guard error.errno == .wouldBlock, ContinuousClock.now < giveUp else { throw error }
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func wait(for signals: UnixSignalsSequence) async {
        for await signal in signals {
            logger.notice("draining", metadata: ["signal": "\(signal)"])
            return
        }
    }
}
