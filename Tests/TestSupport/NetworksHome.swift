import Foundation

/// Where the networks of one daemon are, and what it keeps of attachments.
package struct NetworksHome: Sendable {
    private let home: DaemonHome

    package init(_ home: DaemonHome) throws {
        self.home = home
        for directory in [home.networks, plugins] {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
    }

    package var root: String { home.root }
    /// Plugins that tests wrote.
    package var plugins: String { home.root + "/plugins" }

    /// Configures a network, and answers the text.
    @discardableResult
    package func configure(_ name: String, version: String = "1.0.0", _ plugins: String) throws -> String {
        let text = #"{"cniVersion":"\#(version)","name":"\#(name)","plugins":[\#(plugins)]}"#
        try text.write(toFile: "\(home.networks)/\(name).conflist", atomically: true, encoding: .utf8)
        return text
    }

    /// Makes a plugin that logs its command and the interface, runs `script`, and answers ADD with an empty result.
    package func plugin(_ name: String, _ script: String = "") throws {
        let text = """
            #!/bin/sh
            cat > /dev/null
            echo "$CNI_COMMAND \(name) $CNI_IFNAME" >> \(root)/plugin-log
            [ -z "$CNI_NETNS" ] || [ -e "$CNI_NETNS" ] || echo "no namespace" >> \(root)/plugin-log
            \(script)
            [ $CNI_COMMAND != ADD ] || echo '{"cniVersion":"1.0.0"}'
            """
        try text.write(toFile: "\(plugins)/\(name)", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(plugins)/\(name)")
    }

    /// What such plugins were asked to do, in order.
    package var log: [String] {
        ((try? String(contentsOfFile: "\(root)/plugin-log", encoding: .utf8)) ?? "").split(separator: "\n")
            .map(String.init)
    }

    /// The ids of all attachments.
    package var ids: [String] { names(home.networkCache + "/results") }

    /// The addresses that host-local has given away for a network, where its directory is `ipam` here.
    package func addresses(_ network: String) -> [String] {
        names("\(root)/ipam/\(network)").filter { $0.first?.isNumber == true }
    }

    private func names(_ directory: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
    }

    /// The file of an attachment.
    package func cached(_ id: String) throws -> JSONValue {
        try JSONValue(parsing: Data(contentsOf: URL(filePath: "\(home.networkCache)/results/\(id)")))
    }

    /// Writes such a file, as another tool does.
    package func cache(_ id: String, _ text: String) throws {
        try FileManager.default.createDirectory(
            atPath: "\(home.networkCache)/results", withIntermediateDirectories: true)
        try text.write(toFile: "\(home.networkCache)/results/\(id)", atomically: false, encoding: .utf8)
    }

    /// Removes one, as another tool does.
    package func uncache(_ id: String) throws {
        try FileManager.default.removeItem(atPath: "\(home.networkCache)/results/\(id)")
    }
}

/// Runs `body` with a daemon in a network namespace of its own, where the plugins put what they make on the host.
package func withNetworks<Value: Sendable>(
    arguments: [String] = [], _ body: (NetworksHome, Daemon) async throws -> Value
) async throws -> Value {
    try await withHome { home in
        let networks = try NetworksHome(home)
        return try await withDaemon(
            in: home, arguments: ["--cni-path", "\(networks.plugins):/usr/lib/cni"] + arguments,
            launcher: NetworksHome.launcher
        ) { daemon in try await body(networks, daemon) }
    }
}

extension NetworksHome {
    /// Starts a program in a network namespace of its own.
    package static let launcher = ["unshare", "--net", "--fork", "--kill-child"]
}
