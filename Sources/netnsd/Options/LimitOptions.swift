import API
import ArgumentParser
import MicroHTTP

/// The flags that bound what clients can ask of the daemon.
struct LimitOptions: ParsableArguments {
    @Option(help: LimitSettings.headerBytes.help) var maxHeaderBytes: Int?
    @Option(help: LimitSettings.bodyBytes.help) var maxBodyBytes: Int?
    @Option(help: LimitSettings.batchBytes.help) var maxBatchBytes: Int?
    @Option(help: LimitSettings.jsonDepth.help) var maxJsonDepth: Int?
    @Option(help: LimitSettings.connections.help) var maxConnections: Int?
    @Option(help: LimitSettings.connectionsPerAddress.help) var maxConnectionsPerAddress: Int?
    @Option(help: LimitSettings.requestsPerConnection.help) var maxRequestsPerConnection: Int?
    @Option(help: LimitSettings.requestSeconds.help) var requestSeconds: Int?
    @Option(help: LimitSettings.idleSeconds.help) var idleSeconds: Int?
    @Option(help: LimitSettings.mutations.help) var maxMutations: Int?
    @Option(help: LimitSettings.creationsPerSecond.help) var maxCreationsPerSecond: Int?
    @Option(help: LimitSettings.creationBurst.help) var maxCreationBurst: Int?
    @Option(help: LimitSettings.namespaces.help) var maxNamespacesPerPrincipal: Int?
    @Option(help: LimitSettings.wires.help) var maxWiresPerPrincipal: Int?
}

/// The limits in force: flags before environment before defaults.
struct LimitSettings {
    /// One limit as the user sees it.
    struct Limit: Sendable {
        let variable: String
        let what: String
        let range: ClosedRange<Int>
        let standard: Int

        var help: ArgumentHelp {
            let none = range.lowerBound == 0 ? ", 0 for no limit" : ""
            return ArgumentHelp("\(what)\(none). [NETNSD_\(variable)] (default: \(standard))", valueName: "n")
        }

        var flag: String { "--" + variable.lowercased().replacing("_", with: "-") }

        func value(_ given: Int?, _ environment: [String: String]) throws -> Int {
            var value = given
            if value == nil, let text = environment["NETNSD_\(variable)"], !text.isEmpty {
                value = Int(text)
                if value == nil { throw ValidationError("NETNSD_\(variable) cannot be '\(text)'.") }
            }
            guard range.contains(value ?? standard) else {
                throw ValidationError("\(flag) is a number from \(range.lowerBound) to \(range.upperBound).")
            }
            return value ?? standard
        }
    }

    static let headerBytes = Limit(
        variable: "MAX_HEADER_BYTES", what: "The longest header section of a request, in bytes",
        range: 1024...1_048_576,
        standard: 8192)
    static let bodyBytes = Limit(
        variable: "MAX_BODY_BYTES", what: "The longest body but a batch's, in bytes", range: 1024...16_777_216,
        standard: 65536)
    static let batchBytes = Limit(
        variable: "MAX_BATCH_BYTES", what: "The longest body of a batch, in bytes", range: 1024...67_108_864,
        standard: 1_048_576)
    static let jsonDepth = Limit(
        variable: "MAX_JSON_DEPTH", what: "How deeply values in a body may be nested", range: 4...256, standard: 32)
    static let connections = Limit(
        variable: "MAX_CONNECTIONS", what: "Connections at once to each address that is listened on; later ones wait",
        range: 4...65536, standard: 4096)
    static let connectionsPerAddress = Limit(
        variable: "MAX_CONNECTIONS_PER_ADDRESS",
        what: """
            Connections at once from one IP address, and on the Unix socket of one user other than root; those beyond are \
            closed
            """, range: 0...65536, standard: 1024)
    static let requestsPerConnection = Limit(
        variable: "MAX_REQUESTS_PER_CONNECTION", what: "Requests on one connection", range: 0...1_000_000_000,
        standard: 1_000_000)
    static let requestSeconds = Limit(
        variable: "REQUEST_SECONDS", what: "How long a request may take to arrive, and an answer to be taken",
        range: 1...3600, standard: 30)
    static let idleSeconds = Limit(
        variable: "IDLE_SECONDS", what: "After how many seconds without a byte a connection is closed", range: 1...3600,
        standard: 60)
    static let mutations = Limit(
        variable: "MAX_MUTATIONS", what: "Changes being made at once; more are answered 503", range: 0...65536,
        standard: 512)
    static let creationsPerSecond = Limit(
        variable: "MAX_CREATIONS_PER_SECOND",
        what: "Namespaces that one principal makes a second on average; more are answered 429", range: 0...1_000_000,
        standard: 5000)
    static let creationBurst = Limit(
        variable: "MAX_CREATION_BURST", what: "Namespaces that one principal makes at once after a pause",
        range: 1...1_000_000, standard: 10_000)
    static let namespaces = Limit(
        variable: "MAX_NAMESPACES_PER_PRINCIPAL",
        what: "Namespaces that one principal has; more are answered 429", range: 0...10_000_000, standard: 20_000)
    static let wires = Limit(
        variable: "MAX_WIRES_PER_PRINCIPAL", what: "Wires that one principal has; more are answered 429",
        range: 0...10_000_000, standard: 20_000)

    var server: HTTPServer.Configuration
    let admission: AdmissionLimits

    /// - Throws: `ValidationError` with a line for the user.
    init(_ options: LimitOptions, environment: [String: String]) throws {
        var server = HTTPServer.Configuration()
        server.headerBytes = try Self.headerBytes.value(options.maxHeaderBytes, environment)
        server.connectionLimit = try Self.connections.value(options.maxConnections, environment)
        server.connectionsPerAddress = try Self.connectionsPerAddress.value(
            options.maxConnectionsPerAddress, environment)
        let requests = try Self.requestsPerConnection.value(options.maxRequestsPerConnection, environment)
        server.requestsPerConnection = requests > 0 ? requests : .max
        server.requestSeconds = try Self.requestSeconds.value(options.requestSeconds, environment)
        server.idleTimeoutSeconds = try Self.idleSeconds.value(options.idleSeconds, environment)
        self.server = server

        var admission = AdmissionLimits()
        admission.bodyBytes = try Self.bodyBytes.value(options.maxBodyBytes, environment)
        admission.batchBytes = try Self.batchBytes.value(options.maxBatchBytes, environment)
        admission.mutations = try Self.mutations.value(options.maxMutations, environment)
        admission.creationsPerSecond = try Self.creationsPerSecond.value(options.maxCreationsPerSecond, environment)
        admission.creationBurst = try Self.creationBurst.value(options.maxCreationBurst, environment)
        admission.namespacesPerPrincipal = try Self.namespaces.value(options.maxNamespacesPerPrincipal, environment)
        admission.wiresPerPrincipal = try Self.wires.value(options.maxWiresPerPrincipal, environment)
        admission.jsonDepth = try Self.jsonDepth.value(options.maxJsonDepth, environment)
        self.admission = admission
    }
}
