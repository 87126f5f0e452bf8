import TestSupport
import Testing

@Suite("Addresses", .tags(.endToEnd), .timeLimit(.minutes(3)))
struct AddressTests {
    private static let path = "/v1/namespaces/a/addresses"

    private func withLink(_ body: @Sendable (Daemon) async throws -> Void) async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a"])
            try await daemon.home.ip("a", "link add x0 type veth peer name x1")
            try await body(daemon)
        }
    }

    /// What ip(8) sees on a link.
    private func seen(_ daemon: Daemon, _ link: String = "x0") async throws -> [String: JSONValue] {
        let info = try await daemon.home.ipJSON("a", "addr show dev \(link)").first?["addr_info"]?.array ?? []
        return Dictionary(
            uniqueKeysWithValues: info.map { ("\($0["local"]?.string ?? "")/\($0["prefixlen"]?.int ?? -1)", $0) })
    }

    private func listed(_ daemon: Daemon) async throws -> [JSONValue] {
        let addresses = try await daemon.expect(200, "GET", Self.path)["addresses"]?.array ?? []
        return addresses.filter { $0["link"] == "x0" }
    }

    @Test("An address is added, found taken, replaced and taken away", arguments: ["10.0.0.1/24", "fd00::1/64"])
    func ours(_ address: String) async throws {
        try await withLink { daemon in
            let body = "{\"link\":\"x0\",\"address\":\"\(address)\"}"
            let made = try await daemon.expect(201, "POST", Self.path, body)
            #expect(made["address"]?.string == address)
            #expect(made["family"]?.string == (address.contains(":") ? "inet6" : "inet"))
            #expect(made["scope"] == "global")
            #expect(try await seen(daemon).keys.sorted() == [address])
            #expect(try await daemon.problem("POST", Self.path, body) == "entry-taken")
            try await daemon.expect(200, "PUT", Self.path, body)
            #expect(try await seen(daemon).keys.sorted() == [address])
            #expect(try await listed(daemon).compactMap { $0["address"]?.string } == [address])
            let query = "\(Self.path)?link=x0&address=\(address)"
            try await daemon.expect(204, "DELETE", query)
            #expect(try await seen(daemon).isEmpty)
            #expect(try await daemon.problem("DELETE", query) == "entry-not-found")
            try await daemon.expect(200, "PUT", Self.path, body)
            #expect(try await seen(daemon).keys.sorted() == [address])
        }
    }

    @Test("Peer, broadcast, scope and label are what ip(8) sees")
    func details() async throws {
        try await withLink { daemon in
            let body = #"{"link":"x0","address":"10.0.0.1/24","broadcast":"10.0.0.255","scope":"link","label":"x0:1"}"#
            try await daemon.expect(201, "POST", Self.path, body)
            let one = try await seen(daemon)["10.0.0.1/24"]
            #expect(one?["broadcast"] == "10.0.0.255")
            #expect(one?["scope"] == "link")
            #expect(one?["label"] == "x0:1")
            let point = try await daemon.expect(
                201, "POST", Self.path, #"{"link":"x0","address":"10.1.0.1/32","peer":"10.1.0.2"}"#)
            #expect(point["peer"] == "10.1.0.2")
            #expect(try await seen(daemon)["10.1.0.1/32"]?["address"] == "10.1.0.2")
        }
    }

    @Test("What ip(8) adds and takes away is shown at once")
    func others() async throws {
        try await withLink { daemon in
            try await daemon.home.ip("a", "addr add 10.0.0.7/16 broadcast 10.0.255.255 scope link dev x0")
            try await daemon.home.ip("a", "addr add fd00::7/56 dev x0 nodad")
            let shown = try await listed(daemon)
            #expect(shown.compactMap { $0["address"]?.string } == ["10.0.0.7/16", "fd00::7/56"])
            #expect(shown.first?["broadcast"] == "10.0.255.255")
            #expect(shown.first?["scope"] == "link")
            let link = try await daemon.expect(200, "GET", "/v1/namespaces/a/links/x0")
            #expect(link["addresses"]?.array?.count == 2)
            try await daemon.expect(204, "DELETE", "\(Self.path)?link=x0&address=fd00::7/56")
            try await daemon.home.ip("a", "addr del 10.0.0.7/16 dev x0")
            #expect(try await listed(daemon).isEmpty)
        }
    }

    @Test("What cannot be is refused by name, and changes nothing")
    func refused() async throws {
        try await withLink { daemon in
            let bodies: [(body: String, status: Int, problem: String, field: String?)] = [
                (#"{"address":"10.0.0.1/24"}"#, 422, "invalid-field", "link"),
                (#"{"link":"x0"}"#, 422, "invalid-field", "address"),
                (#"{"link":"x0","address":"10.0.0.1/024"}"#, 422, "invalid-field", "address"),
                (#"{"link":"x0","address":"10.0.0.1/33"}"#, 422, "invalid-field", "address"),
                (#"{"link":"x0","address":"10.0.0.256/24"}"#, 422, "invalid-field", "address"),
                (#"{"link":"x0","address":"fe80::1%x0/64"}"#, 422, "invalid-field", "address"),
                (#"{"link":"x0","address":null}"#, 422, "invalid-field", "address"),
                (#"{"link":"x0","address":"10.0.0.1/24","scope":"site"}"#, 422, "invalid-field", "scope"),
                (#"{"link":"x0","address":"10.0.0.1/24","peer":"fd00::1"}"#, 422, "invalid-field", "peer"),
                (#"{"link":"x0","address":"fd00::1/64","broadcast":"10.0.0.1"}"#, 422, "invalid-field", "broadcast"),
                (#"{"link":"x0","address":"fd00::1/64","label":"x0"}"#, 422, "invalid-field", "label"),
                (#"{"link":"x0","address":"10.0.0.1/24","label":"sixteen-bytes-xx"}"#, 422, "invalid-field", "label"),
                (#"{"link":"x0","address":"10.0.0.1/24","label":"x 0"}"#, 422, "invalid-field", "label"),
                (#"{"link":"x0","address":"10.0.0.1/24","colour":1}"#, 422, "invalid-field", "colour"),
                (#"{"link":"none","address":"10.0.0.1/24"}"#, 404, "link-not-found", nil),
                (#"{"link":"x0","address":"ff02::1/64"}"#, 422, "refused-by-kernel", nil),
            ]
            for method in ["POST", "PUT"] {
                for (body, status, problem, field) in bodies {
                    let response = try await daemon.send(method, Self.path, body: body)
                    let comment = Comment(rawValue: "\(method) \(body): \(response.status) \(response.text)")
                    #expect(response.status == status, comment)
                    #expect(response.problem == problem, comment)
                    #expect(try response.json["field"]?.string == field, comment)
                }
            }
            let refused = try await daemon.send("POST", Self.path, body: bodies.last?.body)
            #expect(try refused.json["errno"]?.int != nil, "\(refused.text)")
            #expect(try refused.json["detail"]?.string?.contains("kernel") == true, "\(refused.text)")
            for query in [
                "", "?link=x0", "?address=10.0.0.1/24", "?link=x0&address=10.0.0.1/x",
                "?link=a%2Fb&address=10.0.0.1/24",
            ] {
                #expect(try await daemon.problem("DELETE", Self.path + query) == "invalid-parameter", "\(query)")
            }
            #expect(
                try await daemon.problem("DELETE", Self.path + "?link=none&address=10.0.0.1/24") == "link-not-found")
            #expect(try await daemon.problem("GET", "/v1/namespaces/none/addresses") == "namespace-not-found")
            #expect(try await seen(daemon).isEmpty)
        }
    }
}
