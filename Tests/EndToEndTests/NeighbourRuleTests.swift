import TestSupport
import Testing

@Suite("Neighbours and rules", .tags(.endToEnd), .timeLimit(.minutes(3)))
struct NeighbourRuleTests {
    private static let neighbours = "/v1/namespaces/a/neighbours"
    private static let rules = "/v1/namespaces/a/rules"

    private func withLink(_ body: @Sendable (Daemon) async throws -> Void) async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a"])
            for command in ["link add x0 type veth peer name x1", "link set x0 up", "link set x1 up"] {
                try await daemon.home.ip("a", command)
            }
            try await body(daemon)
        }
    }

    private func seen(_ daemon: Daemon, _ address: String) async throws -> JSONValue? {
        try await daemon.home.ipJSON("a", "neigh show nud all dev x0").first { $0["dst"]?.string == address }
    }

    @Test("A neighbour is added, found taken, replaced and taken away", arguments: ["10.0.0.2", "fd00::2"])
    func neighbour(_ address: String) async throws {
        try await withLink { daemon in
            func body(_ mac: String, _ more: String = "") -> String {
                "{\"link\":\"x0\",\"address\":\"\(address)\",\"mac\":\"\(mac)\"\(more)}"
            }
            let made = try await daemon.expect(201, "POST", Self.neighbours, body("02:00:00:00:00:02"))
            #expect(made["state"] == "permanent")
            #expect(try await seen(daemon, address)?["lladdr"] == "02:00:00:00:00:02")
            #expect(try await seen(daemon, address)?["state"] == ["PERMANENT"])
            let again = try await daemon.problem("POST", Self.neighbours, body("02:00:00:00:00:03"))
            #expect(again == "entry-taken")
            try await daemon.expect(
                200, "PUT", Self.neighbours, body("02:00:00:00:00:03", #","state":"noarp""#))
            #expect(try await seen(daemon, address)?["lladdr"] == "02:00:00:00:00:03")
            #expect(try await seen(daemon, address)?["state"] == ["NOARP"])
            let query = "\(Self.neighbours)?link=x0&address=\(address)"
            try await daemon.expect(204, "DELETE", query)
            #expect(try await seen(daemon, address) == nil)
            #expect(try await daemon.problem("DELETE", query) == "entry-not-found")

            try await daemon.home.ip("a", "neigh add \(address) lladdr 02:00:00:00:00:09 dev x0")
            let listed = try await daemon.expect(200, "GET", Self.neighbours)["neighbours"]?.array ?? []
            let shown = listed.first { $0["address"]?.string == address }
            #expect(shown?["mac"] == "02:00:00:00:00:09")
            #expect(shown?["link"] == "x0")
            #expect(shown?["state"] == "permanent")
            try await daemon.expect(204, "DELETE", query)
            #expect(try await seen(daemon, address) == nil)
        }
    }

    @Test("What can be no neighbour is refused by name")
    func noNeighbour() async throws {
        try await withLink { daemon in
            let bodies: [(body: String, problem: String, field: String?)] = [
                (#"{"address":"10.0.0.2","mac":"02:00:00:00:00:02"}"#, "invalid-field", "link"),
                (#"{"link":"x0","mac":"02:00:00:00:00:02"}"#, "invalid-field", "address"),
                (#"{"link":"x0","address":"10.0.0.2/24","mac":"02:00:00:00:00:02"}"#, "invalid-field", "address"),
                (#"{"link":"x0","address":"10.0.0.2"}"#, "invalid-field", "mac"),
                (#"{"link":"x0","address":"10.0.0.2","mac":"02:00:00:00:00"}"#, "invalid-field", "mac"),
                (
                    #"{"link":"x0","address":"10.0.0.2","mac":"02:00:00:00:00:02","state":"delay"}"#, "invalid-field",
                    "state"
                ),
                (#"{"link":"x0","address":"10.0.0.2","mac":"02:00:00:00:00:02","dev":"x"}"#, "invalid-field", "dev"),
                (#"{"link":"none","address":"10.0.0.2","mac":"02:00:00:00:00:02"}"#, "link-not-found", nil),
            ]
            for (body, problem, field) in bodies {
                let response = try await daemon.send("POST", Self.neighbours, body: body)
                #expect(response.problem == problem, "\(body): \(response.text)")
                #expect(try response.json["field"]?.string == field, "\(body): \(response.text)")
            }
            #expect(try await daemon.home.ipJSON("a", "neigh show").isEmpty)
        }
    }

    @Test("A rule is added, found taken and taken away, for either family")
    func rule() async throws {
        try await withLink { daemon in
            let cases: [(body: String, flag: String, family: String, seen: [String: JSONValue])] = [
                (
                    #"{"priority":100,"from":"10.0.0.0/8","to":"192.0.2.0/24","inputLink":"x0","mark":7,"table":100}"#,
                    "",
                    "inet",
                    [
                        "src": "10.0.0.0", "srclen": 8, "dst": "192.0.2.0", "dstlen": 24, "iif": "x0", "fwmark": "0x7",
                        "table": "100",
                    ]
                ),
                (
                    #"{"priority":101,"from":"fd00::/8","outputLink":"x1","table":1000}"#, "-6 ", "inet6",
                    ["src": "fd00::", "srclen": 8, "oif": "x1", "table": "1000"]
                ),
                (#"{"priority":102,"action":"blackhole"}"#, "", "inet", ["action": "blackhole"]),
                (#"{"priority":103,"family":"inet6","action":"prohibit"}"#, "-6 ", "inet6", ["action": "prohibit"]),
            ]
            for (body, flag, family, expected) in cases {
                let made = try await daemon.expect(201, "POST", Self.rules, body)
                #expect(made["family"]?.string == family)
                let priority = made["priority"]?.int ?? 0
                let all = try await daemon.home.ipJSON("a", "\(flag)rule show")
                let seen = all.first { $0["priority"]?.int == priority }
                for (key, value) in expected { #expect(seen?[key] == value, "\(key), \(all)") }
                #expect(try await daemon.problem("POST", Self.rules, body) == "entry-taken")
                let listed = try await daemon.expect(200, "GET", Self.rules)["rules"]?.array ?? []
                #expect(listed.contains(made), "\(made), \(listed)")
                let query = "\(Self.rules)?priority=\(priority)&family=\(family)"
                try await daemon.expect(204, "DELETE", query)
                #expect(try await daemon.problem("DELETE", query) == "entry-not-found")
                let left = try await daemon.home.ipJSON("a", "\(flag)rule show")
                #expect(!left.contains { $0["priority"]?.int == priority })
            }
        }
    }

    @Test("What ip(8) has made a rule of is shown at once, and what can be none is refused by name")
    func otherRules() async throws {
        try await withLink { daemon in
            try await daemon.home.ip("a", "rule add pref 55 from 10.0.0.0/8 iif x0 lookup 55")
            let listed = try await daemon.expect(200, "GET", Self.rules)["rules"]?.array ?? []
            let shown = try #require(listed.first { $0["priority"] == 55 })
            #expect(shown["from"] == "10.0.0.0/8")
            #expect(shown["inputLink"] == "x0")
            #expect(shown["table"] == 55)
            #expect(shown["action"] == "lookup")
            let bodies: [(body: String, problem: String, field: String?)] = [
                (#"{"table":100}"#, "invalid-field", "priority"), (#"{"priority":5}"#, "invalid-field", "table"),
                (#"{"priority":5,"table":5,"action":"blackhole"}"#, "invalid-field", "table"),
                (#"{"priority":5,"action":"goto"}"#, "invalid-field", "action"),
                (#"{"priority":5,"table":5,"from":"10.0.0.1/8"}"#, "invalid-field", "from"),
                (#"{"priority":5,"table":5,"from":"10.0.0.0/8","to":"fd00::/8"}"#, "invalid-field", "to"),
                (#"{"priority":-1,"table":5}"#, "invalid-field", "priority"),
                (#"{"priority":5,"table":5,"iif":"x0"}"#, "invalid-field", "iif"),
            ]
            for (body, problem, field) in bodies {
                let response = try await daemon.send("POST", Self.rules, body: body)
                #expect(response.problem == problem, "\(body): \(response.text)")
                #expect(try response.json["field"]?.string == field, "\(body): \(response.text)")
            }
            for query in ["", "?priority=x", "?priority=55&family=x"] {
                #expect(try await daemon.problem("DELETE", Self.rules + query) == "invalid-parameter", "\(query)")
            }
            try await daemon.expect(204, "DELETE", Self.rules + "?priority=55")
            #expect(try await daemon.home.ipJSON("a", "rule show").count == 3)
        }
    }
}
