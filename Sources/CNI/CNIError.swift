package import LinuxKit

/// What a plugin is asked to do (CNI specification 1.1, section 2).
package enum CNICommand: String, Sendable, CaseIterable {
    case add = "ADD"
    case check = "CHECK"
    case delete = "DEL"
    case collectGarbage = "GC"
    case status = "STATUS"
    case version = "VERSION"
}

/// Why something with a network failed, and at whose hands.
package struct CNIError: Error, Sendable {
    /// What kind of failure it is.
    package enum Reason: Sendable {
        /// No configuration has the network's name.
        case networkNotFound
        /// The network's configuration is none.
        case invalidConfiguration
        /// No directory of plugins has the program.
        case pluginNotFound
        /// The plugin refused: its code, and its details where it gave some.
        case refused(code: Int64, details: String?)
        /// The plugin said something that is neither a result nor an error.
        case rubbish
        /// The plugin ended with this status and no word of why.
        case silent(status: Int32)
        /// A signal ended the plugin.
        case signaled(Int32)
        case timedOut
        case tooMuchOutput
        /// An attachment of this network, container and interface is there.
        case attached
        /// The configuration's version has no such command.
        case unsupported
        /// A system call failed: running the plugin, or reading or writing the cache.
        case system(SystemError)
    }

    package let reason: Reason
    /// For a person: what happened, in the plugin's words where it had some.
    package let message: String
    package var network: String?
    /// The plugin's type.
    package var plugin: String?
    package var command: CNICommand?

    package init(
        _ reason: Reason, _ message: String, network: String? = nil, plugin: String? = nil, command: CNICommand? = nil
    ) {
        self.reason = reason
        self.message = message
        self.network = network
        self.plugin = plugin
        self.command = command
    }

    init(_ error: SystemError, network: String? = nil) {
        self.init(.system(error), "A system call failed in work on a CNI network.", network: network)
    }

    /// The plugin's code (CNI specification 1.1, section 5), where it gave one.
    package var code: Int64? {
        guard case .refused(let code, _) = reason else { return nil }
        return code
    }
}

extension CNIError: CustomStringConvertible {
    package var description: String {
        let place = [network, plugin, command?.rawValue].compactMap(\.self).joined(separator: " ")
        let cause = if case .system(let error) = reason { " (\(error))" } else { "" }
        return "\(place.isEmpty ? "" : place + ": ")\(message)\(cause)"
    }
}
