import ArgumentParser
import Logging
import MicroHTTP

/// The configuration in force: flags before environment before defaults.
struct Settings {
    static let defaultSocket = "/run/netnsd/netnsd.sock"
    static let defaultNamespaceDirectory = "/run/netns"
    static let defaultStateDirectory = "/run/netnsd"

    let addresses: [ListenAddress]
    let namespaceDirectory: String
    let stateDirectory: String
    let workers: Int
    let warmNamespaces: Int
    let logLevel: Logger.Level
    let logFormat: LogFormat

    /// - Throws: `ValidationError` with a line for the user.
    init(_ options: Options, environment: [String: String], processors: Int) throws {
        func variable(_ name: String) -> String? { environment["NETNSD_\(name)"].flatMap { $0.isEmpty ? nil : $0 } }
        func parsed<Value>(_ name: String, _ parse: (String) -> Value?) throws -> Value? {
            guard let text = variable(name) else { return nil }
            guard let value = parse(text) else { throw ValidationError("NETNSD_\(name) cannot be '\(text)'.") }
            return value
        }

        namespaceDirectory = options.netnsDir ?? variable("NETNS_DIR") ?? Self.defaultNamespaceDirectory
        stateDirectory = options.stateDir ?? variable("STATE_DIR") ?? Self.defaultStateDirectory
        for directory in [namespaceDirectory, stateDirectory] where !directory.hasPrefix("/") {
            throw ValidationError("'\(directory)' is no absolute path.")
        }
        workers = try options.workers ?? parsed("WORKERS", { Int($0) }) ?? processors
        guard (1...256).contains(workers) else { throw ValidationError("--workers is a number from 1 to 256.") }
        warmNamespaces = try options.pool.namespaces(environment: environment, workers: workers)
        logLevel = try options.logLevel ?? parsed("LOG_LEVEL", Logger.Level.init(rawValue:)) ?? .info
        logFormat = try options.logFormat ?? parsed("LOG_FORMAT", LogFormat.init(rawValue:)) ?? .text

        let socket = options.socket ?? variable("SOCKET") ?? Self.defaultSocket
        let listen =
            options.listen.isEmpty
            ? (variable("LISTEN") ?? "").split(separator: ",").map { String($0).trimmingSpaces } : options.listen
        let isAllowed =
            try options.allowUnauthenticatedTcp || parsed("ALLOW_UNAUTHENTICATED_TCP", { Bool($0) }) ?? false
        guard listen.isEmpty || isAllowed else {
            throw ValidationError(
                """
                --listen needs --allow-unauthenticated-tcp: this version cannot ask TCP clients who they are, and \
                whoever reaches the port owns the host's network.
                """)
        }
        var addresses: [ListenAddress] = []
        if socket != "none" {
            guard socket.hasPrefix("/") else { throw ValidationError("'\(socket)' is no absolute path, and not none.") }
            // Whoever may write to the socket owns the host's network: root, and the group made for it.
            addresses.append(.unix(path: socket, mode: 0o660, group: "netnsd"))
        }
        for text in listen {
            do {
                addresses.append(try ListenAddress(parsingTCP: text))
            } catch {
                throw ValidationError("'\(text)' is no HOST:PORT to listen on: \(error)")
            }
        }
        guard !addresses.isEmpty else { throw ValidationError("--socket none needs a --listen.") }
        self.addresses = addresses
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
