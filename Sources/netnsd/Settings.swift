import API
import ArgumentParser
import Logging
import MicroHTTP
import NamespaceCore
import SystemPackage
import Systemd

/// The configuration in force: flags before environment before defaults.
struct Settings {
    static let defaultSocket = "/run/netnsd/netnsd.sock"
    static let defaultNamespaceDirectory = "/run/netns"
    static let defaultStateDirectory = "/run/netnsd"
    /// How many workers there can be, and threads that serve HTTP for each address.
    private static let mostThreads = 256

    let addresses: [ListenAddress]
    let tls: TLSFiles?
    let access: AccessSettings
    let namespaceDirectory: String
    let stateDirectory: String
    /// Where the namespaces' resolv.conf and hosts are.
    let etcDirectory: String
    /// The sysctls that clients may read and set.
    let sysctls: SysctlAllowList
    let workers: Int
    let warmNamespaces: Int
    let networks: NetworkSettings
    let limits: LimitSettings
    let logLevel: Logger.Level
    let logFormat: LogFormat
    let life: LifeSettings
    let telemetry: TelemetrySettings

    /// - Parameter activated: The sockets that the service manager has handed over.
    /// - Throws: `ValidationError` with a line for the user.
    init(
        _ options: Options, environment: [String: String], processors: Int, activated: [ActivatedSocket] = []
    ) throws {
        func variable(_ name: String) -> String? { environment["NETNSD_\(name)"].flatMap { $0.isEmpty ? nil : $0 } }
        func parsed<Value>(_ name: String, _ parse: (String) -> Value?) throws -> Value? {
            guard let text = variable(name) else { return nil }
            guard let value = parse(text) else { throw ValidationError("NETNSD_\(name) cannot be '\(text)'.") }
            return value
        }
        func threads(_ given: Int?, _ name: String, flag: String, usual: Int) throws -> Int {
            let count = try given ?? parsed(name, { Int($0) }) ?? min(usual, Self.mostThreads)
            guard (1...Self.mostThreads).contains(count) else {
                throw ValidationError("\(flag) is a number from 1 to \(Self.mostThreads).")
            }
            return count
        }

        namespaceDirectory = options.netnsDir ?? variable("NETNS_DIR") ?? Self.defaultNamespaceDirectory
        stateDirectory = options.stateDir ?? variable("STATE_DIR") ?? Self.defaultStateDirectory
        etcDirectory = options.inside.netnsEtcDir ?? variable("NETNS_ETC_DIR") ?? InsideOptions.defaultEtcDirectory
        sysctls = try options.inside.allowList(variable("SYSCTLS"))
        for directory in [namespaceDirectory, stateDirectory, etcDirectory] where !directory.hasPrefix("/") {
            throw ValidationError("'\(directory)' is no absolute path.")
        }
        // One that is at something long is not to be the only one.
        workers = try threads(options.workers, "WORKERS", flag: "--workers", usual: max(2, processors))
        warmNamespaces = try options.pool.namespaces(environment: environment, workers: workers)
        networks = try NetworkSettings(options.networks, environment: environment)
        var limits = try LimitSettings(options.limits, environment: environment)
        limits.server.product = "netnsd/\(Version.current)"
        limits.server.threads = try threads(
            options.httpThreads, "HTTP_THREADS", flag: "--http-threads", usual: max(1, processors / 2))
        self.limits = limits
        logLevel = try options.logLevel ?? parsed("LOG_LEVEL", Logger.Level.init(rawValue:)) ?? .info
        logFormat =
            try options.logFormat ?? parsed("LOG_FORMAT", LogFormat.init(rawValue:))
            ?? (Journal.receives(.standardError, environment: environment) ? .journal : .text)
        life = try LifeSettings(options.life, environment: environment)

        telemetry = try TelemetrySettings(options.telemetry, variable: variable)
        tls = try options.tls.files(environment: environment)

        let inherited = activated.map(ListenAddress.init)
        let socket = options.socket ?? variable("SOCKET") ?? (inherited.isEmpty ? Self.defaultSocket : "none")
        let listen =
            options.listen.isEmpty
            ? (variable("LISTEN") ?? "").split(separator: ",").map { String($0).trimmingSpaces } : options.listen
        access = try AccessSettings(options.access, environment: environment)
        var addresses = inherited
        if socket != "none" {
            guard socket.hasPrefix("/") else { throw ValidationError("'\(socket)' is no absolute path, and not none.") }
            addresses.append(
                .unix(
                    path: socket, mode: access.socketMode,
                    group: access.socketGroup ?? AccessSettings.defaultSocketGroup))
        }
        for text in listen {
            do {
                addresses.append(try ListenAddress(parsingTCP: text))
            } catch {
                throw ValidationError("'\(text)' is no HOST:PORT to listen on: \(error)")
            }
        }
        guard !addresses.isEmpty else { throw ValidationError("--socket none needs a --listen.") }
        try access.check(addresses, hasTLS: tls != nil, hasClientCA: tls?.clientAuthorities != nil)
        self.addresses = addresses
    }
}

extension ListenAddress {
    fileprivate init(_ socket: ActivatedSocket) {
        let bound: ListenAddress =
            switch socket.address {
            case .unix(let path): .unix(path: path, mode: 0, group: nil)
            case .tcp(let host, let port): .tcp(host: host, port: port)
            }
        self = .inherited(socket.descriptor, name: socket.name, bound: bound)
    }
}

extension Settings {
    func accessPolicy(tokens: TokenStore?) -> AccessPolicy {
        AccessPolicy(
            peers: access.peers, certificates: access.certificates,
            hosts: AllowedHosts(addresses, extra: access.allowedHosts), tokens: tokens,
            allowsUnauthenticatedTCP: access.allowsUnauthenticatedTCP)
    }
}
