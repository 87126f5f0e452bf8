import CNI
import Foundation
import Logging
import SystemPackage
import TestSupport

/// Directories of a test's own with plugins that are shell scripts, which log what they are asked to do.
struct PluginHome {
    let root: String
    var timeout = Duration.seconds(20)

    init() throws {
        root = "/tmp/netnsd-cni-\(UUID().uuidString.prefix(8))"
        for directory in ["bin", "net.d", "seen"] {
            try FileManager.default.createDirectory(atPath: "\(root)/\(directory)", withIntermediateDirectories: true)
        }
    }

    /// What a test's networks are.
    var configuration: Networks.Configuration {
        var configuration = Networks.Configuration()
        configuration.directories = [FilePath("\(root)/net.d")]
        configuration.pluginPath = [FilePath("\(root)/bin")]
        configuration.cacheDirectory = FilePath("\(root)/cache")
        configuration.timeout = timeout
        configuration.searchPath = "/usr/bin:/bin"
        return configuration
    }

    var networks: Networks { Networks(configuration, logger: Self.silence) }

    static let silence = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    /// Makes a plugin. It logs its name and command, keeps its input and environment below `seen`, and then runs
    /// `script`, which has `$input`; that answers a result to ADD where it does nothing else.
    func plugin(_ name: String, _ script: String = "") throws {
        let text = """
            #!/bin/sh
            input=$(cat)
            echo "$CNI_COMMAND \(name)" >> \(root)/log
            printf '%s' "$input" > "\(root)/seen/\(name).$CNI_COMMAND"
            tr '\\0' '\\n' < /proc/$$/environ > "\(root)/seen/\(name).$CNI_COMMAND.env"
            \(script)
            case $CNI_COMMAND in
            ADD) echo '{"cniVersion":"1.0.0","interfaces":[{"name":"'$CNI_IFNAME'","mac":"02:00:00:00:00:\(name.utf8.count)1"}]}' ;;
            VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}' ;;
            esac
            """
        let path = "\(root)/bin/\(name)"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    /// Configures a network; `plugins` are objects of JSON.
    func network(
        _ plugins: String, name: String = "net", version: String = #""cniVersion":"1.0.0""#, more: String = ""
    ) throws {
        try #"{\#(version),"name":"\#(name)",\#(more)"plugins":[\#(plugins)]}"#
            .write(toFile: "\(root)/net.d/\(name).conflist", atomically: true, encoding: .utf8)
    }

    /// What the plugins were asked to do, in order.
    var log: [String] {
        ((try? String(contentsOfFile: "\(root)/log", encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }

    /// What a plugin was given on its standard input.
    func input(_ plugin: String, _ command: String) throws -> JSONValue {
        try JSONValue(parsing: Data(contentsOf: URL(filePath: "\(root)/seen/\(plugin).\(command)")))
    }

    /// The file of an attachment.
    func cached(_ id: String) throws -> JSONValue {
        try JSONValue(parsing: Data(contentsOf: URL(filePath: "\(root)/cache/results/\(id)")))
    }

    /// The ids of the attachments.
    var ids: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: "\(root)/cache/results")) ?? []).sorted()
    }

    /// Removes everything.
    func remove() throws { try FileManager.default.removeItem(atPath: root) }
}

/// Runs `body` with directories of its own, and removes them however that ends.
func withPlugins<Value: Sendable>(_ body: (PluginHome) async throws -> Value) async throws -> Value {
    let home = try PluginHome()
    do {
        let value = try await body(home)
        try home.remove()
        return value
    } catch {
        try? home.remove()
        throw error
    }
}

extension CNIError.Reason {
    /// The case's name.
    var name: String { String("\(self)".prefix { $0 != "(" }) }
}

/// What `body` throws, or nothing.
func failure<Value>(_ body: () throws(CNIError) -> Value) -> CNIError? {
    do throws(CNIError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}
