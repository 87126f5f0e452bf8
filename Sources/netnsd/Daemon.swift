import API
import ArgumentParser
import Glibc
import LinuxKit
import Logging
import MicroHTTP
import NamespaceCore
import SystemPackage
import UnixSignals
import Wiring

extension ServingHelp: Interlude {}

/// The parts of a running daemon, put together in the order of their dependencies and taken apart in reverse.
struct Daemon {
    private static let lockPatience = Duration.seconds(1)
    /// How long jobs may take to end once nobody waits for them.
    private static let stuckPatience = Duration.seconds(5)
    /// How often a quiet stream of events shows a sign of life, which is how a dead reader is found.
    private static let heartbeat = Duration.seconds(15)

    private let settings: Settings
    private let service: ServiceManager
    private let logger: Logger

    init(_ settings: Settings, service: ServiceManager, logger: Logger) {
        self.settings = settings
        self.service = service
        self.logger = logger
    }

    /// Serves until SIGTERM or SIGINT, then drains. The namespaces stay.
    func run() async throws {
        // Whoever reads the log, or an answer, may be gone by the time of a write, which then says so.
        _ = signal(SIGPIPE, SIG_IGN)
        let credentials = try settings.tls?.load()
        if let credentials { settings.tls?.complain(of: credentials, logger: logger) }
        let signals = await UnixSignalsSequence(trapping: Life.signals)
        let lock = try await lockState()
        defer { lock.release() }
        let store = try RecordStore(directory: FilePath(settings.stateDirectory))
        let directory = try MountDirectory(creating: FilePath(settings.namespaceDirectory))
        let audit = try settings.telemetry.auditLog.map { try AuditLog($0, logger: logger) }
        let pool = try warmPool()
        defer { pool.close() }
        let help = ServingHelp()
        let workers = try KernelWorkers(count: settings.workers, preparation: pool, interlude: help)
        let kernel = try LinuxKernel(directory: directory, workers: workers, pool: pool)
        try checkSocketGroup()
        let tokens = try tokenStore()
        let core = try Core(settings, store: store, kernel: kernel, audit: audit, logger: logger)
        defer { core.watch.stop() }
        let events = Task { await core.manager.events.run(interval: Self.heartbeat) }
        let tokenWatch = Task { await tokens?.watch() }
        defer {
            events.cancel()
            tokenWatch.cancel()
        }
        do {
            let found = try await core.start()
            let lifecycle = Lifecycle()
            let server = try HTTPServer.start(
                on: settings.addresses, configuration: settings.limits.server, credentials: credentials, help: help,
                handler: handler(core, tokens, workers, pool, audit, lifecycle), logger: logger)
            announce(found, in: directory, pool, server)
            forgetStart()
            await Life(
                settings: settings.life, manager: service, lifecycle: lifecycle, server: server,
                events: core.manager.events, reloads: reloads(of: server, audit, tokens),
                vitals: .daemon(core.manager, workers), logger: logger
            ).run(signals)
            pool.close()
        } catch {
            await core.stop()
            await workers.stop()
            await audit?.close()
            throw error
        }
        let lastResort = Task { try await leaveBehindWhatIsStuck() }
        await core.stop()
        await workers.stop()
        lastResort.cancel()
        await audit?.close()
        logger.notice("netnsd has stopped; the namespaces stay")
    }

    private func handler(
        _ core: Core, _ tokens: TokenStore?, _ workers: KernelWorkers, _ pool: WarmPool, _ audit: AuditLog?,
        _ lifecycle: Lifecycle
    ) -> APIHandler {
        APIHandler(
            manager: core.manager, wires: core.wires, watch: core.watch, hostLinks: core.hostLinks,
            attachments: core.attachments, workers: settings.workers, access: settings.accessPolicy(tokens: tokens),
            limits: settings.limits.admission, lifecycle: lifecycle, pool: workers, warm: pool,
            sysctls: settings.sysctls, linkMetrics: settings.telemetry.linkMetrics, audit: audit, logger: logger)
    }

    private func forgetStart() {
        do throws(SystemError) {
            try ResidentCode.forgetStart()
        } catch {
            logger.debug("the code of the start stays in memory", metadata: ["error": "\(error)"])
        }
    }

    private func announce(
        _ found: Reconciliation, in directory: MountDirectory, _ pool: WarmPool, _ server: HTTPServer
    ) {
        logger.notice(
            "netnsd is ready",
            metadata: [
                "version": "\(Version.current)", "directory": "\(directory.path)",
                "entries": "\(found.entries)", "created": "\(found.created)", "adopted": "\(found.adopted)",
                "external": "\(found.external)", "stale": "\(found.stale)", "leases": "\(found.leases)",
                "undone": "\(found.undone)", "setAside": "\(found.setAside)", "warm": "\(pool.facts.capacity)",
                "listening": "\(server.addresses.joined(separator: ","))",
            ])
    }

    private func checkSocketGroup() throws {
        if let group = settings.access.socketGroup, !HostFacts.hasGroup(group) {
            throw ValidationError("--socket-group: there is no group \(group)")
        }
    }

    /// What makes creates short, and is no reason not to start.
    private func warmPool() throws -> WarmPool {
        do throws(SystemError) {
            let pool = try WarmPool(capacity: settings.warmNamespaces)
            if pool.isOff, settings.warmNamespaces > 0 {
                logger.notice("nothing is made in advance: what new namespaces start with cannot be seen from this one")
            }
            return pool
        } catch {
            logger.warning("nothing is made in advance", metadata: ["cause": "\(error)"])
            return try WarmPool(capacity: 0)
        }
    }

    /// What SIGHUP reads anew.
    private func reloads(of server: HTTPServer, _ audit: AuditLog?, _ tokens: TokenStore?) -> [Reload] {
        var reloads: [Reload] = []
        if let files = settings.tls {
            reloads.append(
                Reload(name: "the TLS certificate") { [logger] in try files.reload(into: server, logger: logger) })
        }
        if let tokens { reloads.append(Reload(name: "the tokens") { try tokens.reload() }) }
        if let audit { reloads.append(Reload(name: "the audit log's file") { try await audit.reopen() }) }
        return reloads
    }

    /// Ends the process although jobs have not ended. Nobody waits for them any more, they may never end, and a start
    /// finishes or undoes what a killed daemon was at.
    private func leaveBehindWhatIsStuck() async throws {
        try await Task.sleep(for: Self.stuckPatience)
        logger.critical("a kernel job does not end; netnsd stops without it, and its next start sees to the rest")
        _exit(EXIT_FAILURE)
    }

    private func tokenStore() throws -> TokenStore? {
        try settings.access.tokenFile.map { try TokenStore(FilePath($0), logger: logger) }
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
}
