public import ArgumentParser
public import Logging

/// The flags of `serve` and `check`. What is not given is taken from the environment, then from the defaults: see
/// ``Settings``.
struct Options: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Listen on this Unix socket; none for no socket. [NETNSD_SOCKET] (default: \(Settings.defaultSocket), or \
            none where the service manager hands sockets over)
            """,
            valueName: "path"))
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "Listen on this TCP address as well; may be repeated. [NETNSD_LISTEN, separated by commas]",
            valueName: "host:port"))
    var listen: [String] = []

    @OptionGroup(title: "Access") var access: AccessOptions

    @Option(
        help: ArgumentHelp(
            "The directory of the namespace files. [NETNSD_NETNS_DIR] (default: \(Settings.defaultNamespaceDirectory))",
            valueName: "dir"))
    var netnsDir: String?

    @Option(
        help: ArgumentHelp(
            "The directory of the daemon's records. [NETNSD_STATE_DIR] (default: \(Settings.defaultStateDirectory))",
            valueName: "dir"))
    var stateDir: String?

    @OptionGroup(title: "What is inside") var inside: InsideOptions

    @Option(
        help: ArgumentHelp(
            "Threads that do the kernel's jobs. [NETNSD_WORKERS] (default: the number of cores, at least 2)",
            valueName: "n"))
    var workers: Int?

    @Option(
        help: ArgumentHelp(
            """
            Threads that serve HTTP, for each address. [NETNSD_HTTP_THREADS] (default: half the number of cores; clients \
            on this host and the workers need the others)
            """, valueName: "n"))
    var httpThreads: Int?

    @OptionGroup var pool: PoolOptions

    @OptionGroup(title: "CNI networks") var networks: NetworkOptions

    @OptionGroup(title: "Limits") var limits: LimitOptions

    @Option(help: "trace, debug, info, notice, warning, error or critical. [NETNSD_LOG_LEVEL] (default: info)")
    var logLevel: Logger.Level?

    @Option(
        help: """
            text, json or journal (a priority and no time), on standard error. [NETNSD_LOG_FORMAT] (default: journal \
            where standard error is connected to the journal, else text)
            """)
    var logFormat: LogFormat?

    @OptionGroup(title: "TLS") var tls: TLSOptions
    @OptionGroup(title: "Starting and stopping") var life: LifeOptions
    @OptionGroup(title: "Telemetry") var telemetry: TelemetryOptions
}

/// How log lines are written.
enum LogFormat: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
    case journal
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
