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

    private let settings: Settings
    private let logger: Logger

    init(_ settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    /// Serves until SIGTERM or SIGINT, then drains. The namespaces stay.
    func run() async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let lock = try StateDirectory.lock(FilePath(settings.stateDirectory))
        defer { lock.release() }
        let store = try RecordStore(directory: FilePath(settings.stateDirectory))
        let directory = try MountDirectory(creating: FilePath(settings.namespaceDirectory))
        let workers = try KernelWorkers(count: settings.workers) { store.restock() }
        let manager = NamespaceManager(
            kernel: LinuxKernel(directory: directory, workers: workers), store: store, bootID: try HostFacts.bootID(),
            logger: logger)
        do {
            let found = try await manager.start()
            let server = try HTTPServer.start(
                on: settings.addresses, configuration: HTTPServer.Configuration(),
                handler: APIHandler(manager: manager, workers: settings.workers, logger: logger), logger: logger)
            logger.notice(
                "netnsd is ready",
                metadata: [
                    "version": "\(Version.current)", "directory": "\(directory.path)",
                    "entries": "\(found.entries)", "created": "\(found.created)", "undone": "\(found.undone)",
                    "listening": "\(server.addresses.joined(separator: ","))",
                ])
            await wait(for: signals)
            await server.shutdown(deadline: .seconds(Self.drainSeconds))
        } catch {
            await workers.stop()
            throw error
        }
        await workers.stop()
        logger.notice("netnsd has stopped; the namespaces stay")
    }

    private func wait(for signals: UnixSignalsSequence) async {
        for await signal in signals {
            logger.notice("draining", metadata: ["signal": "\(signal)"])
            return
        }
    }
}
