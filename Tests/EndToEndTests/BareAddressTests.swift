import TestSupport
import Testing

@Suite("Addresses without a prefix length", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct BareAddressTests {
    /// What ip(8) says of the global addresses of a link.
    private func addresses(_ home: DaemonHome, _ name: String, _ link: String) async throws -> [String] {
        let info = try await home.ipJSON(name, "addr show dev \(link) scope global").first?["addr_info"]?.array ?? []
        return info.compactMap { item in
            item["local"]?.string.map { "\($0)/\(item["prefixlen"]?.int ?? -1)" }
        }.sorted()
    }

    @Test("A bare address is the one address wherever one is asked for, as ip(8) has it, and is shown with its length")
    func bare() async throws {
        try await withDaemon { daemon in
            let home = daemon.home
            try await daemon.makeNamespaces(["a", "b"])
            let wire = WireTests.body(addresses: (#""10.0.0.1","fd00::1""#, ""))
            let made = try await daemon.expect(201, "POST", "/v1/wires", wire)
            #expect(made["a"]?["addresses"] == ["10.0.0.1/32", "fd00::1/128"])
            for address in ["10.0.0.3", "fd00::3"] {
                let body = "{\"link\":\"x\",\"address\":\"\(address)\"}"
                let added = try await daemon.expect(201, "POST", "/v1/namespaces/a/addresses", body)
                #expect(added["address"]?.string == address + (address.contains(":") ? "/128" : "/32"))
            }
            try await home.ip("b", "addr add 10.0.0.1 dev y")
            try await home.ip("b", "addr add fd00::1 dev y")
            for address in ["10.0.0.3", "fd00::3"] { try await home.ip("b", "addr add \(address) dev y") }
            #expect(try await addresses(home, "a", "x") == addresses(home, "b", "y"))
            #expect(try await addresses(home, "a", "x").count == 4)
            for address in ["10.0.0.3", "fd00::3"] {
                let path = "/v1/namespaces/a/addresses?link=x&address=\(address)"
                try await daemon.expect(204, "DELETE", path)
                #expect(try await daemon.problem("DELETE", path) == "entry-not-found")
            }
            #expect(try await addresses(home, "a", "x") == ["10.0.0.1/32", "fd00::1/128"])

            let route = try await daemon.expect(
                201, "POST", "/v1/namespaces/a/routes", #"{"destination":"10.9.0.1","link":"x"}"#)
            #expect(route["destination"] == "10.9.0.1/32")
            #expect(try await home.ipJSON("a", "route show").contains { $0["dst"] == "10.9.0.1" })
            try await daemon.expect(204, "DELETE", "/v1/namespaces/a/routes?destination=10.9.0.1")
            let rule = try await daemon.expect(
                201, "POST", "/v1/namespaces/a/rules", #"{"priority":99,"from":"10.9.0.1","table":99}"#)
            #expect(rule["from"] == "10.9.0.1/32")
            let seen = try await home.ipJSON("a", "rule show").first { $0["priority"] == 99 }
            #expect(seen?["src"] == "10.9.0.1")
        }
    }
}
