import JSONText
import LinuxKit
package import Logging
package import SystemPackage

/// The directories that networks are configured in, by the operator alone.
package struct NetworkDirectories: Sendable {
    private let directories: [FilePath]
    private let logger: Logger

    package init(_ directories: [FilePath], logger: Logger) {
        self.directories = directories
        self.logger = logger
    }

    /// The network's configuration. In each directory the files are looked at in the order of their names, lists
    /// (`.conflist`) before plugins alone (`.conf`, `.json`), as libcni does. Blocks.
    ///
    /// - Throws: `.networkNotFound`, which names the files that could not be read; `.invalidConfiguration`.
    package func network(_ name: String) throws(CNIError) -> NetworkConfiguration {
        var broken: [String] = []
        for directory in directories {
            let files = self.files(in: directory)
            let lists = files.filter { $0.extension == "conflist" }
            let single = files.filter { ["conf", "json"].contains($0.extension) }
            for (file, isList) in lists.map({ ($0, true) }) + single.map({ ($0, false) }) {
                do throws(CNIError) {
                    var network = try Self.read(file, isList: isList)
                    guard network.name == name else { continue }
                    if isList, network.loadsMorePlugins { try complete(&network, in: directory) }
                    guard !network.plugins.isEmpty else {
                        throw CNIError(.invalidConfiguration, "The network's configuration has no plugins.")
                    }
                    return network
                } catch {
                    // Another network's must not keep this one from being found.
                    logger.warning(
                        "a CNI configuration was passed over", metadata: ["path": "\(file)", "error": "\(error)"])
                    broken.append(file.string)
                }
            }
        }
        let others = broken.isEmpty ? "" : " These could not be read: \(broken.joined(separator: ", "))."
        throw CNIError(
            .networkNotFound, "No configuration in the daemon's CNI directories has this name.\(others)", network: name)
    }

    private func complete(_ network: inout NetworkConfiguration, in directory: FilePath) throws(CNIError) {
        var values: [JSONValue] = []
        for file in files(in: directory.appending(network.name)) where file.extension == "conf" {
            let content = try Self.content(of: file)
            do throws(JSONMalformation) {
                values.append(try JSONValue(parsing: content, depthLimit: 60))
            } catch {
                throw CNIError(.invalidConfiguration, "\(file) is no JSON: \(error).", network: network.name)
            }
        }
        try network.append(values)
    }

    private static func read(_ file: FilePath, isList: Bool) throws(CNIError) -> NetworkConfiguration {
        let content = try content(of: file)
        return isList ? try NetworkConfiguration(parsing: content) : try NetworkConfiguration(wrapping: content)
    }

    private static func content(of file: FilePath) throws(CNIError) -> [UInt8] {
        do throws(SystemError) {
            return try ConfigurationFile(file).content
        } catch {
            throw CNIError(error)
        }
    }

    /// The files of a directory by name; none where there is no such directory.
    private func files(in directory: FilePath) -> [FilePath] {
        do throws(SystemError) {
            return try FileSystem.names(in: directory).sorted { $0.lexicographicallyPrecedes($1) }
                .map { directory.entry($0) }
        } catch {
            if error.errno != .noSuchFileOrDirectory {
                logger.warning("a directory of CNI configurations cannot be read", metadata: ["error": "\(error)"])
            }
            return []
        }
    }
}
