import ArgumentParser
import CNI
import SystemPackage

/// The flags that say where CNI networks and plugins are. Requests name networks, and nothing else.
struct NetworkOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            A directory of CNI network configurations; may be repeated. [NETNSD_CNI_CONF_DIR, separated by colons] \
            (default: /etc/cni/net.d)
            """, valueName: "dir"))
    var cniConfDir: [String] = []

    @Option(
        help: ArgumentHelp(
            "The directories of CNI plugins. [NETNSD_CNI_PATH] (default: /usr/lib/cni:/opt/cni/bin)",
            valueName: "dir:dir"))
    var cniPath: String?

    @Option(
        help: ArgumentHelp(
            "Where attachments are kept, as libcni does. [NETNSD_CNI_CACHE_DIR] (default: /var/lib/cni)",
            valueName: "dir"))
    var cniCacheDir: String?

    @Option(
        help: ArgumentHelp(
            """
            How long each plugin may run before it is killed. [NETNSD_CNI_TIMEOUT_SECONDS] \
            (default: \(NetworkSettings.defaultTimeout))
            """, valueName: "n"))
    var cniTimeoutSeconds: Int?
}

/// CNI's configuration in force: flags before environment before defaults.
struct NetworkSettings: Sendable {
    static let defaultTimeout = 60

    let configuration: Networks.Configuration

    /// - Throws: `ValidationError` with a line for the user.
    init(_ options: NetworkOptions, environment: [String: String]) throws {
        func variable(_ name: String) -> String? { environment["NETNSD_\(name)"].flatMap { $0.isEmpty ? nil : $0 } }
        func paths(_ texts: [String], _ flag: String) throws -> [FilePath] {
            for text in texts where !text.hasPrefix("/") {
                throw ValidationError("\(flag): '\(text)' is no absolute path.")
            }
            return texts.map { FilePath($0) }
        }
        func split(_ text: String) -> [String] { text.split(separator: ":").map(String.init) }
        var configuration = Networks.Configuration()
        let directories = options.cniConfDir.isEmpty ? variable("CNI_CONF_DIR").map(split) : options.cniConfDir
        if let directories { configuration.directories = try paths(directories, "--cni-conf-dir") }
        if let path = options.cniPath ?? variable("CNI_PATH") {
            configuration.pluginPath = try paths(split(path), "--cni-path")
        }
        if let directory = options.cniCacheDir ?? variable("CNI_CACHE_DIR") {
            configuration.cacheDirectory = try paths([directory], "--cni-cache-dir")[0]
        }
        var timeout = options.cniTimeoutSeconds
        if timeout == nil, let text = variable("CNI_TIMEOUT_SECONDS") {
            timeout = Int(text)
            if timeout == nil { throw ValidationError("NETNSD_CNI_TIMEOUT_SECONDS cannot be '\(text)'.") }
        }
        guard (1...3600).contains(timeout ?? Self.defaultTimeout) else {
            throw ValidationError("--cni-timeout-seconds is a number from 1 to 3600.")
        }
        configuration.timeout = .seconds(timeout ?? Self.defaultTimeout)
        if let path = environment["PATH"], !path.isEmpty { configuration.searchPath = path }
        self.configuration = configuration
    }
}
