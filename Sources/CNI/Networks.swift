import JSONText
import LinuxKit
package import Logging
package import SystemPackage

/// The networks that namespaces can be attached to: runs their plugins as libcni does, and keeps what came of it where
/// libcni keeps it, so that either can take away what the other made.
///
/// Every function blocks, for as long as the plugins take, which is their number times the time each of them has. Run
/// them on threads of their own, one at a time for each namespace.
package struct Networks: Sendable {
    /// What the operator decides.
    package struct Configuration: Sendable {
        /// Where networks are configured.
        package var directories: [FilePath] = ["/etc/cni/net.d"]
        /// Where plugins are.
        package var pluginPath: [FilePath] = ["/usr/lib/cni", "/opt/cni/bin"]
        /// Where attachments are kept.
        package var cacheDirectory: FilePath = "/var/lib/cni"
        /// How long one plugin may run.
        package var timeout: Duration = .seconds(60)
        /// Where plugins look for programs, such as iptables.
        package var searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

        package init() {}
    }

    /// What there is.
    package let cache: AttachmentCache
    private let directories: NetworkDirectories
    private let runner: PluginRunner
    private let logger: Logger

    package init(_ configuration: Configuration, logger: Logger) {
        cache = AttachmentCache(directory: configuration.cacheDirectory)
        directories = NetworkDirectories(configuration.directories, logger: logger)
        runner = PluginRunner(
            path: configuration.pluginPath, timeout: configuration.timeout, searchPath: configuration.searchPath)
        self.logger = logger
    }

    /// The network's configuration.
    ///
    /// - Throws: `.networkNotFound`, `.invalidConfiguration`.
    package func network(_ name: String) throws(CNIError) -> NetworkConfiguration { try directories.network(name) }
}

// MARK: - Commands

extension Networks {
    /// Attaches a namespace: ADD by each plugin of the network, the later ones told what the earlier ones made. When one
    /// fails, DEL undoes all of it, in reverse.
    ///
    /// The attachment is in the cache before the first plugin runs, without a result, and until everything is undone: what
    /// a crash or a failed DEL leaves can be found, and deleted.
    ///
    /// - Parameter request: What is kept with the attachment to tell the request apart that it is made for.
    /// - Throws: `.attached` when there is one of the key; `.networkNotFound`; what the plugins have against it.
    package func add(
        _ key: AttachmentKey, _ runtime: RuntimeConfiguration, for request: String? = nil
    ) throws(CNIError) -> Attachment {
        let network = try directories.network(key.network)
        guard cache.attachment(key.id) == nil else {
            throw CNIError(
                .attached, "There is an attachment \(key.id) already; delete it first.", network: key.network)
        }
        var attachment = Attachment(key, runtime, configuration: network.bytes, request: request)
        try save(attachment)
        do throws(CNIError) {
            let version = try selectVersion(of: network)
            var result: JSONValue?
            for plugin in network.plugins {
                result = try add(plugin, of: network, version, attachment, after: result)
            }
            attachment.result = result
            try save(attachment)
        } catch {
            do throws(CNIError) {
                try delete(attachment)
            } catch let second {
                logger.error(
                    "what a failed CNI attachment left could not be taken away",
                    metadata: ["attachment": "\(key.id)", "error": "\(second)"])
            }
            throw error
        }
        // With the time at which it was written.
        return cache.attachment(key.id) ?? attachment
    }

    private func add(
        _ plugin: NetworkConfiguration.Plugin, of network: NetworkConfiguration, _ version: SpecVersion,
        _ attachment: Attachment, after previous: JSONValue?
    ) throws(CNIError) -> JSONValue {
        let call = PluginRunner.Call(
            command: .add, network: network.name, key: attachment.key, runtime: attachment.runtime)
        let configuration = configuration(of: plugin, network, version, attachment.runtime, after: previous)
        let answer = try runner.run(plugin.type, call, configuration)
        guard case .object(var members)? = answer else {
            throw CNIError(
                .rubbish, "The plugin \(plugin.type) answered nothing to ADD.", network: network.name,
                plugin: plugin.type, command: .add)
        }
        // As libcni: what has no version is of the one that was asked for.
        if members["cniVersion"]?.string?.isEmpty ?? true { members["cniVersion"] = .string(version.description) }
        guard let stated = members["cniVersion"]?.string.flatMap(SpecVersion.init), SpecVersion.known.contains(stated)
        else {
            throw CNIError(
                .rubbish, "The plugin \(plugin.type) answered in a version that is not known here.",
                network: network.name, plugin: plugin.type, command: .add)
        }
        return .object(members)
    }

    /// Takes an attachment away: DEL by each plugin of the configuration that it was made by, in reverse, with the cached
    /// result; then its file. What is not there is taken away already.
    ///
    /// A plugin that is not installed any more, and a configuration that is none, are passed over with a warning: they
    /// would keep the attachment for ever.
    ///
    /// - Throws: what a plugin has against it, or the cache; the attachment stays in the cache then.
    package func delete(_ attachment: Attachment) throws(CNIError) {
        if let network = configuration(of: attachment) {
            let version = selectVersion(of: network, as: attachment)
            let previous = version >= .v0_4_0 ? attachment.result : nil
            let call = PluginRunner.Call(
                command: .delete, network: network.name, key: attachment.key, runtime: attachment.runtime)
            for plugin in network.plugins.reversed() {
                do throws(CNIError) {
                    _ = try runner.run(
                        plugin.type, call,
                        configuration(of: plugin, network, version, attachment.runtime, after: previous))
                } catch {
                    guard case .pluginNotFound = error.reason else { throw error }
                    warn(of: attachment, error)
                }
            }
        }
        do throws(SystemError) {
            try cache.remove(attachment.key)
        } catch {
            throw CNIError(error, network: attachment.key.network)
        }
    }

    /// Asks each plugin whether the attachment is as it was made (CHECK); does nothing where the configuration says not
    /// to.
    ///
    /// - Throws: `.unsupported` before 0.4.0, and what a plugin has found.
    package func check(_ attachment: Attachment) throws(CNIError) {
        let network =
            try attachment.configuration.isEmpty
            ? directories.network(attachment.key.network) : NetworkConfiguration(parsing: attachment.configuration)
        let version = selectVersion(of: network, as: attachment)
        guard version >= .v0_4_0 else {
            throw CNIError(
                .unsupported, "The network is of version \(version), which does not support the CHECK command.",
                network: network.name, command: .check)
        }
        guard !network.disablesCheck else { return }
        let call = PluginRunner.Call(
            command: .check, network: network.name, key: attachment.key, runtime: attachment.runtime)
        for plugin in network.plugins {
            _ = try runner.run(
                plugin.type, call,
                configuration(of: plugin, network, version, attachment.runtime, after: attachment.result))
        }
    }

    /// Takes away the attachments of a network that are not among the valid ones, and tells its plugins which are (GC,
    /// from 1.1.0 on). All is tried; answers what failed.
    ///
    /// - Throws: `.networkNotFound`, `.invalidConfiguration`, or that the cache cannot be read.
    package func collectGarbage(_ name: String, valid: Set<AttachmentKey>) throws(CNIError) -> [CNIError] {
        let network = try directories.network(name)
        guard !network.disablesGC else { return [] }
        let all: [Attachment]
        do throws(SystemError) {
            all = try cache.all()
        } catch {
            throw CNIError(error, network: name)
        }
        var failures: [CNIError] = []
        for attachment in all where attachment.key.network == name && !valid.contains(attachment.key) {
            do throws(CNIError) { try delete(attachment) } catch { failures.append(error) }
        }
        let version = try selectVersion(of: network)
        guard version >= .v1_1_0 else { return failures }
        let attachments = valid.filter { $0.network == name }.sorted { $0.id < $1.id }.map { key in
            JSONValue.object(["containerID": .string(key.containerID), "ifname": .string(key.interface)])
        }
        for plugin in network.plugins {
            var configuration = configuration(of: plugin, network, version)
            // The second is what an earlier text of the specification called it; libcni gives both.
            configuration["cni.dev/valid-attachments"] = .array(attachments)
            configuration["cni.dev/attachments"] = .array(attachments)
            do throws(CNIError) {
                _ = try runner.run(plugin.type, .init(command: .collectGarbage, network: name), configuration)
            } catch {
                failures.append(error)
            }
        }
        return failures
    }

    /// Asks the plugins of a network whether they can attach now (STATUS, from 1.1.0 on; before that they can).
    ///
    /// - Throws: what the first plugin that cannot says, with code 50 or 51; `.networkNotFound`.
    package func checkStatus(_ name: String) throws(CNIError) {
        let network = try directories.network(name)
        let version = try selectVersion(of: network)
        guard version >= .v1_1_0 else { return }
        for plugin in network.plugins {
            _ = try runner.run(
                plugin.type, .init(command: .status, network: name), configuration(of: plugin, network, version))
        }
    }

    /// The versions that a plugin supports (VERSION).
    package func supportedVersions(of plugin: String, network: String) throws(CNIError) -> [SpecVersion] {
        let answer = try runner.run(
            plugin, .init(command: .version, network: network), ["cniVersion": .string("\(SpecVersion.v1_1_0)")])
        guard let list = answer?["supportedVersions"]?.array else {
            throw CNIError(
                .rubbish, "The plugin \(plugin) does not say which versions it supports.", network: network,
                plugin: plugin, command: .version)
        }
        return list.compactMap { $0.string.flatMap(SpecVersion.init) }
    }
}

// MARK: - Configurations

extension Networks {
    /// A plugin's configuration as it is given to it: derived from the list's (CNI specification 1.1, section 3).
    private func configuration(
        of plugin: NetworkConfiguration.Plugin, _ network: NetworkConfiguration, _ version: SpecVersion,
        _ runtime: RuntimeConfiguration = RuntimeConfiguration(namespace: ""), after previous: JSONValue? = nil
    ) -> [String: JSONValue] {
        var members = plugin.members
        members["name"] = .string(network.name)
        members["cniVersion"] = .string(version.description)
        if let previous { members["prevResult"] = previous }
        let supported = plugin.capabilities
        let capabilities = runtime.capabilities.filter { supported.contains($0.key) }
        if !capabilities.isEmpty { members["runtimeConfig"] = .object(capabilities) }
        return members
    }

    /// The newest of the network's versions; of several, the newest that all of its plugins support. Where there is but
    /// one, each plugin says itself what it thinks of it.
    private func selectVersion(of network: NetworkConfiguration) throws(CNIError) -> SpecVersion {
        guard network.versions.count > 1 else { return network.versions[0] }
        var common = network.versions
        for type in Set(network.plugins.map(\.type)).sorted() {
            let supported = try supportedVersions(of: type, network: network.name)
            common.removeAll { !supported.contains($0) }
        }
        guard let version = common.first else {
            throw CNIError(
                .unsupported, "No version of the network's configuration is supported by all of its plugins.",
                network: network.name, command: .version)
        }
        return version
    }

    /// The version that an attachment was made in, as far as that can be told.
    private func selectVersion(of network: NetworkConfiguration, as attachment: Attachment) -> SpecVersion {
        if let version = attachment.version.flatMap(SpecVersion.init), network.versions.contains(version) {
            return version
        }
        return (try? selectVersion(of: network)) ?? network.versions[0]
    }

    /// What an attachment was made by: what the cache has, or what the directories have where it has none; nil without
    /// either.
    private func configuration(of attachment: Attachment) -> NetworkConfiguration? {
        do throws(CNIError) {
            if !attachment.configuration.isEmpty {
                let network = try NetworkConfiguration(parsing: attachment.configuration)
                if !network.plugins.isEmpty { return network }
            }
            return try directories.network(attachment.key.network)
        } catch {
            warn(of: attachment, error)
            return nil
        }
    }

    private func save(_ attachment: Attachment) throws(CNIError) {
        do throws(SystemError) {
            try cache.save(attachment)
        } catch {
            throw CNIError(error, network: attachment.key.network)
        }
    }

    private func warn(of attachment: Attachment, _ error: CNIError) {
        logger.warning(
            "a CNI attachment is taken away without one of its plugins",
            metadata: ["attachment": "\(attachment.key.id)", "error": "\(error)"])
    }
}
