import ArgumentParser
import FoundationEssentials
import Logging

/// `netnsd serve`, and plain `netnsd`.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Serve the API until SIGTERM or SIGINT; the namespaces outlive the daemon.")

    @OptionGroup var options: Options

    func validate() throws {
        _ = try settings()
    }

    func run() async throws {
        let settings = try settings()
        LoggingSystem.bootstrap { label in
            var handler: any LogHandler =
                switch settings.logFormat {
                case .text: StreamLogHandler.standardError(label: label)
                case .json: JSONLogHandler(label: label)
                }
            handler.logLevel = settings.logLevel
            return handler
        }
        do {
            try await Daemon(settings, logger: Logger(label: "netnsd")).run()
        } catch {
            throw StartFailure.exit(describing: error)
        }
    }

    private func settings() throws -> Settings {
        let process = ProcessInfo.processInfo
        return try Settings(options, environment: process.environment, processors: process.activeProcessorCount)
    }
}
