package import JSONText

/// What an attachment is known by, in libcni's cache and to IPAM plugins.
package struct AttachmentKey: Sendable, Hashable {
    package let network: String
    package let containerID: String
    /// The interface's name inside the namespace.
    package let interface: String

    package init(network: String, containerID: String, interface: String) {
        self.network = network
        self.containerID = containerID
        self.interface = interface
    }

    /// The name of the file that libcni keeps it in.
    package var id: String { "\(network)-\(containerID)-\(interface)" }
}

/// What runtimes say of an attachment besides the network's configuration.
package struct RuntimeConfiguration: Sendable, Equatable {
    /// The path of the network namespace's file.
    package var namespace: String
    /// The pairs of `CNI_ARGS`, in order.
    package var arguments: [(key: String, value: String)]
    /// By capability; a plugin gets those that it has declared.
    package var capabilities: [String: JSONValue]

    package init(
        namespace: String, arguments: [(key: String, value: String)] = [], capabilities: [String: JSONValue] = [:]
    ) {
        self.namespace = namespace
        self.arguments = arguments
        self.capabilities = capabilities
    }

    package static func == (left: RuntimeConfiguration, right: RuntimeConfiguration) -> Bool {
        left.namespace == right.namespace && left.capabilities == right.capabilities
            && left.arguments.elementsEqual(right.arguments) { $0 == $1 }
    }
}

/// A network interface that a network's plugins have put into a namespace, as the cache tells of it.
package struct Attachment: Sendable {
    package let key: AttachmentKey
    package var runtime: RuntimeConfiguration
    /// The configuration list that it was made by.
    package var configuration: [UInt8]
    /// What the last plugin of the chain answered to ADD; nil while, or because, that has not come to its end.
    package var result: JSONValue?
    /// What tells the request apart that it was made for; nil where nobody asked for that. libcni passes it over.
    package let request: String?
    /// When the file was last written, in nanoseconds since 1970.
    package var modified: Int64

    package init(
        _ key: AttachmentKey, _ runtime: RuntimeConfiguration, configuration: [UInt8], result: JSONValue? = nil,
        request: String? = nil, modified: Int64 = 0
    ) {
        self.key = key
        self.runtime = runtime
        self.configuration = configuration
        self.result = result
        self.request = request
        self.modified = modified
    }

    /// The version of the specification that the result is written in.
    package var version: String? { result?["cniVersion"]?.string }
}

// MARK: - As libcni writes it

extension Attachment {
    /// The value of `kind` in every such file.
    private static let kind = "cniCacheV1"

    /// The file's text: `cachedInfo` of libcni/api.go, member by member.
    var text: [UInt8] {
        var writer = JSONWriter(capacity: 2048)
        writer.object { writer in
            writer.member("kind", Self.kind)
            writer.member("containerId", key.containerID)
            writer.member("config", Base64.encode(configuration))
            writer.member("ifName", key.interface)
            writer.member("networkName", key.network)
            if !runtime.namespace.isEmpty { writer.member("netns", runtime.namespace) }
            if !runtime.arguments.isEmpty {
                writer.key("cniArgs")
                writer.array(of: runtime.arguments) { (writer, pair) in
                    writer.array { writer in
                        writer.value(pair.key)
                        writer.value(pair.value)
                    }
                }
            }
            if !runtime.capabilities.isEmpty {
                writer.key("capabilityArgs")
                writer.value(.object(runtime.capabilities))
            }
            if let result {
                writer.key("result")
                writer.value(result)
            }
            if let request { writer.member("netnsdRequest", request) }
        }
        return writer.bytes
    }

    /// Reads a file, whoever wrote it; nil for what tells of no attachment. Unknown members are passed over.
    init?(parsing text: [UInt8], modified: Int64) {
        guard let value = try? JSONValue(parsing: text, depthLimit: 80), value["kind"]?.string == Self.kind,
            let container = value["containerId"]?.string, let interface = value["ifName"]?.string,
            let network = value["networkName"]?.string, !container.isEmpty, !interface.isEmpty, !network.isEmpty
        else { return nil }
        key = AttachmentKey(network: network, containerID: container, interface: interface)
        let result = value["result"]
        runtime = RuntimeConfiguration(
            namespace: value["netns"]?.string ?? Self.namespace(of: interface, in: result) ?? "",
            arguments: (value["cniArgs"]?.array ?? []).compactMap { pair in
                guard let pair = pair.array, pair.count == 2, let key = pair[0].string, let value = pair[1].string
                else { return nil }
                return (key, value)
            },
            capabilities: value["capabilityArgs"]?.object ?? [:])
        configuration = value["config"]?.string.flatMap(Base64.decode) ?? []
        self.result = result?.object == nil ? nil : result
        request = value["netnsdRequest"]?.string
        self.modified = modified
    }

    /// Where the plugins say that they put the interface: libcni before 1.3 does not note the namespace's path otherwise.
    private static func namespace(of interface: String, in result: JSONValue?) -> String? {
        let interfaces = result?["interfaces"]?.array ?? []
        return interfaces.lazy.filter { $0["name"]?.string == interface }.compactMap { $0["sandbox"]?.string }
            .first { $0.hasPrefix("/") }
    }
}
