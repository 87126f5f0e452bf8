import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/v1/namespaces/{name}/dns`
    static func dns(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces/{name}/dns",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await get(call, manager) }),
                (.put, .change, .awaiting { (call, body) async throws(Problem) in try await put(call, body, manager) }),
                (.delete, .change, .awaiting { (call, _) async throws(Problem) in try await delete(call, manager) }),
            ])
    }
}

private func get(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        return .dns(try await manager.dns(of: name))
    } catch {
        throw Problem(error)
    }
}

private func put(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    guard !body.isEmpty else { throw Problem(.malformedJSON, "The files are made from a body; {} makes empty ones.") }
    let fields = try Fields(
        body: body, depth: call.admission.limits.jsonDepth,
        allowing: ["nameservers", "search", "options", "hosts"])
    let configuration = try fields.dnsConfiguration()
    do throws(NamespaceError) {
        let (written, isNew) = try await manager.setDNS(of: name, to: configuration, by: call.authority)
        var response = Response.dns(written, status: isNew ? .created : .ok)
        if isNew { response.headerFields[.location] = "/v1/namespaces/\(name.pathSegment)/dns" }
        return response
    } catch {
        throw Problem(error)
    }
}

private func delete(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        try await manager.removeDNS(of: name, by: call.authority)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}

extension Fields {
    fileprivate func dnsConfiguration() throws(Problem) -> DNSConfiguration {
        typealias Configuration = DNSConfiguration
        var configuration = Configuration()
        configuration.nameservers = try strings(
            "nameservers", upTo: Configuration.mostNameservers, Configuration.isAddress, Configuration.addressRule)
        configuration.search = try strings(
            "search", upTo: Configuration.mostSearch, Configuration.isDomain, Configuration.domainRule)
        configuration.options = try strings(
            "options", upTo: Configuration.mostOptions, Configuration.isOption, Configuration.optionRule)
        for (number, value) in try values("hosts", upTo: Configuration.mostHosts).enumerated() {
            let host = try Fields(value, at: "hosts.\(number)", inside: self, allowing: ["address", "names"])
            guard let address = try host.string("address"), Configuration.isAddress(address) else {
                throw host.problem("address", Configuration.addressRule)
            }
            let names = try host.strings(
                "names", upTo: Configuration.mostNames, Configuration.isHostName, Configuration.domainRule)
            guard !names.isEmpty else { throw host.problem("names", "A host has at least one name.") }
            configuration.hosts.append(Configuration.Host(address: address, names: names))
        }
        return configuration
    }

    /// A list of strings; empty where it is left out.
    private func strings(
        _ key: String, upTo most: Int, _ isAllowed: (String) -> Bool, _ rule: String
    ) throws(Problem) -> [String] {
        var strings: [String] = []
        for (number, value) in try values(key, upTo: most).enumerated() {
            guard case .string(let text) = value, isAllowed(text) else { throw problem("\(key).\(number)", rule) }
            strings.append(text)
        }
        return strings
    }

    private func values(_ key: String, upTo most: Int) throws(Problem) -> [JSONValue] {
        switch self[key] {
        case nil: return []
        case .array(let values)? where values.count <= most: return values
        case let other?: throw problem(key, "The value is a list of at most \(most), not \(other.kind).")
        }
    }
}

extension Response {
    fileprivate static func dns(_ dns: DNSConfiguration, status: HTTPResponse.Status = .ok) -> Response {
        .json(status: status) { writer in
            writer.member("nameservers", dns.nameservers)
            writer.member("search", dns.search)
            writer.member("options", dns.options)
            writer.key("hosts")
            writer.array(of: dns.hosts) { (writer, host) in
                writer.object { writer in
                    writer.member("address", host.address)
                    writer.member("names", host.names)
                }
            }
        }
    }
}
