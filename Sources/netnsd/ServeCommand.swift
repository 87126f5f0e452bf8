import ArgumentParser
import FoundationEssentials
import Logging
import SystemPackage
import Systemd

/// `netnsd serve`, and plain `netnsd`.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve the API until SIGTERM or SIGINT; the namespaces outlive the daemon.")

    @OptionGroup var options: Options

    func validate() throws {
        let environment = ProcessInfo.processInfo.environment
        // What is wrong with the sockets is no misuse of the command line: `run` says it.
        guard let activated = try? ActivatedSocket.received(environment: environment) else { return }
        _ = try settings(environment, activated)
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        SystemdEnvironment.clear()
        let isForJournal = Journal.receives(.standardError, environment: environment)
        let activated: [ActivatedSocket]
        do {
            activated = try ActivatedSocket.received(environment: environment)
        } catch {
            throw StartFailure.exit(describing: error, isForJournal: isForJournal)
        }
        let settings = try settings(environment, activated)
        LoggingSystem.bootstrap { label in
            var handler: any LogHandler =
                switch settings.logFormat {
                case .text: StreamLogHandler.standardError(label: label)
                case .json: JSONLogHandler(label: label)
                case .journal: JournalLogHandler()
                }
            handler.logLevel = settings.logLevel
            return handler
        }
        do {
            let logger = Logger(label: "netnsd")
            let service = try ServiceManager(environment: environment, logger: logger)
            try await Daemon(settings, service: service, logger: logger).run()
        } catch {
            throw StartFailure.exit(describing: error, isForJournal: isForJournal)
        }
    }

    private func settings(_ environment: [String: String], _ activated: [ActivatedSocket]) throws -> Settings {
        try Settings(
            options, environment: environment, processors: ProcessInfo.processInfo.activeProcessorCount,
            activated: activated)
    }
}
