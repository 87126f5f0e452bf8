import ArgumentParser
import FoundationEssentials
import LinuxKit
import Logging
import NamespaceCore
import SystemPackage

/// `netnsd check`: is this host fit, with this configuration?
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say whether namespaces can be created here; the exit status says so too.")

    @OptionGroup var options: Options

    func run() async throws {
        let process = ProcessInfo.processInfo
        let settings = try Settings(
            options, environment: process.environment, processors: process.activeProcessorCount)
        do {
            try await check(settings)
        } catch let code as ExitCode {
            throw code
        } catch {
            throw StartFailure.exit(describing: error)
        }
    }

    private func check(_ settings: Settings) async throws {
        _ = try settings.tls?.load()
        let directory = try MountDirectory(creating: FilePath(settings.namespaceDirectory))
        let workers = try KernelWorkers(count: 1)
        let result: Result<Void, NamespaceError>
        let facts: HostFacts
        do {
            // Stores that are never written to: readiness asks the kernel alone.
            let kernel = try LinuxKernel(directory: directory, workers: workers)
            let (state, bootID) = (FilePath(settings.stateDirectory), try HostFacts.bootID())
            let manager = NamespaceManager(
                kernel: kernel, store: try RecordStore(directory: state), journal: try BatchJournal(directory: state),
                answers: try AnswerStore(directory: state, kernel: kernel, bootID: bootID),
                dns: DNSFiles(directory: FilePath(settings.etcDirectory), namespaces: kernel.directory), bootID: bootID,
                logger: Logger(label: "netnsd", factory: { _ in SwiftLogNoOpLogHandler() }))
            do throws(NamespaceError) {
                result = .success(try await manager.checkReadiness())
            } catch {
                result = .failure(error)
            }
            facts = try await manager.hostFacts()
        } catch {
            await workers.stop()
            throw error
        }
        await workers.stop()
        print(Self.report(facts))
        switch result {
        case .success:
            print("verdict: fit")
        case .failure(let error):
            print("verdict: not fit. \(error.message)\(error.cause.map { " (\($0))" } ?? "")")
            throw ExitCode.failure
        }
    }

    private static func report(_ facts: HostFacts) -> String {
        func limit(_ value: Int?) -> String { value.map { "\($0)" } ?? "unknown" }
        let visible =
            switch facts.propagation.isVisibleToHost {
            case true?: "visible to the host"
            case false?: "invisible to the host"
            case nil: "the host's view is unknown"
            }
        let missing = Set(Capability.allCases).subtracting(facts.capabilities).map(\.rawValue).sorted()
        return """
            kernel: \(facts.kernelRelease)
            directory: \(facts.directory) (\(facts.propagation.kind.rawValue), \(visible), \(facts.entries) entries)
            capabilities: \(facts.capabilities.map(\.rawValue).sorted().joined(separator: " ")); \
            missing: \(missing.isEmpty ? "none" : missing.joined(separator: " "))
            namespaces: \(facts.namespacesInUse) in use, limit \(limit(facts.namespaceLimit)) (user.max_net_namespaces)
            mounts: \(facts.mountsInUse) in use, limit \(limit(facts.mountLimit)) (fs.mount-max)
            """
    }
}
