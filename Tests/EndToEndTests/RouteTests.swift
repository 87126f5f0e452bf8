import TestSupport
import Testing

@Suite("Routes", .tags(.endToEnd), .timeLimit(.minutes(3)))
struct RouteTests {
    private static let path = "/v1/namespaces/a/routes"

    /// Two links that are up, each with addresses of both families.
    private func withLinks(_ body: @Sendable (Daemon) async throws -> Void) async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a"])
            for command in [
                "link add x0 type veth peer name x1", "link set x0 up", "link set x1 up", "addr add 10.0.0.1/24 dev x0",
                "addr add 10.1.0.1/24 dev x1", "addr add fd00::1/64 dev x0 nodad", "addr add fd01::1/64 dev x1 nodad",
            ] { try await daemon.home.ip("a", command) }
            try await body(daemon)
        }
    }

    /// A route, how it is asked for, how deleted, and what ip(8) calls it.
    struct Case: Sendable, CustomTestStringConvertible {
        let body: String
        /// What deletes it.
        let query: String
        /// What ip(8) lists it with, and prints of it.
        let show: String
        let seen: [String: JSONValue]
        /// What adds the same with ip(8).
        let command: String
        var testDescription: String { body }
    }

    static let cases = [
        Case(
            body: #"{"destination":"default","gateway":"10.0.0.254"}"#, query: "destination=default", show: "default",
            seen: ["dst": "default", "gateway": "10.0.0.254", "dev": "x0"], command: "default via 10.0.0.254"),
        Case(
            body: #"{"destination":"default","gateway":"fd00::ff","metric":7}"#,
            query: "destination=default&family=inet6&metric=7", show: "-6 default",
            seen: ["dst": "default", "gateway": "fd00::ff", "dev": "x0", "metric": 7],
            command: "-6 default via fd00::ff metric 7"),
        Case(
            body:
                #"{"destination":"192.0.2.0/24","link":"x1","metric":50,"table":100,"scope":"link","source":"10.1.0.1"}"#,
            query: "destination=192.0.2.0/24&table=100", show: "192.0.2.0/24 table 100",
            seen: ["dst": "192.0.2.0/24", "dev": "x1", "metric": 50, "scope": "link", "prefsrc": "10.1.0.1"],
            command: "192.0.2.0/24 dev x1 metric 50 table 100 scope link src 10.1.0.1"),
        Case(
            body: #"{"destination":"2001:db8::/32","gateway":"fd01::2","link":"x1","table":4000000000}"#,
            query: "destination=2001:db8::/32&table=4000000000", show: "-6 2001:db8::/32 table 4000000000",
            seen: ["dst": "2001:db8::/32", "dev": "x1", "gateway": "fd01::2"],
            command: "-6 2001:db8::/32 via fd01::2 dev x1 table 4000000000"),
        Case(
            body: #"{"destination":"192.0.2.0/25","type":"blackhole"}"#,
            query: "destination=192.0.2.0/25&type=blackhole",
            show: "192.0.2.0/25", seen: ["dst": "192.0.2.0/25", "type": "blackhole"], command: "blackhole 192.0.2.0/25"),
        Case(
            body: #"{"destination":"2001:db8:1::/48","type":"unreachable"}"#, query: "destination=2001:db8:1::/48",
            show: "-6 2001:db8:1::/48", seen: ["dst": "2001:db8:1::/48", "type": "unreachable"],
            command: "-6 unreachable 2001:db8:1::/48"),
        Case(
            body: #"{"destination":"192.0.2.128/25","type":"prohibit","metric":3}"#,
            query: "destination=192.0.2.128/25&metric=3", show: "192.0.2.128/25",
            seen: ["dst": "192.0.2.128/25", "type": "prohibit", "metric": 3],
            command: "prohibit 192.0.2.128/25 metric 3"),
    ]

    /// What ip(8) sees where a route is shown, by words of `ip route show` with the family before them.
    private func seen(_ daemon: Daemon, _ show: String) async throws -> [JSONValue] {
        let isSix = show.hasPrefix("-6 ")
        let rest = isSix ? String(show.dropFirst(3)) : show
        // ip(8) refuses a table that has no routes of IPv4 yet.
        return (try? await daemon.home.ipJSON("a", "\(isSix ? "-6 " : "")route show \(rest)")) ?? []
    }

    @Test("A route is added, found taken, replaced and taken away", arguments: cases)
    func ours(_ test: Case) async throws {
        try await withLinks { daemon in
            let made = try await daemon.expect(201, "POST", Self.path, test.body)
            #expect(made["protocol"] == "static")
            let seen = try #require(try await seen(daemon, test.show).first)
            for (key, value) in test.seen { #expect(seen[key] == value, "\(key), \(seen)") }
            #expect(try await daemon.problem("POST", Self.path, test.body) == "entry-taken")
            try await daemon.expect(200, "PUT", Self.path, test.body)
            #expect(try await self.seen(daemon, test.show).count == 1)
            let table = made["table"]?.int ?? 0
            let listed = try await daemon.expect(200, "GET", "\(Self.path)?table=\(table)")["routes"]?.array ?? []
            #expect(listed.contains(made), "\(made), \(listed)")
            let all = try await daemon.expect(200, "GET", Self.path)["routes"]?.array ?? []
            #expect(all.contains(made))
            try await daemon.expect(204, "DELETE", "\(Self.path)?\(test.query)")
            #expect(try await self.seen(daemon, test.show).isEmpty)
            #expect(try await daemon.problem("DELETE", "\(Self.path)?\(test.query)") == "entry-not-found")
        }
    }

    @Test("What ip(8) has added is shown at once, as what we would have added", arguments: cases)
    func others(_ test: Case) async throws {
        try await withLinks { daemon in
            let isSix = test.command.hasPrefix("-6 ")
            let words = isSix ? test.command.dropFirst(3) : test.command[...]
            let made = try await daemon.expect(201, "POST", Self.path, test.body)
            try await daemon.expect(204, "DELETE", "\(Self.path)?\(test.query)")
            try await daemon.home.ip("a", "\(isSix ? "-6 " : "")route add \(words) proto static")
            let all = try await daemon.expect(200, "GET", Self.path)["routes"]?.array ?? []
            #expect(all.contains(made), "\(made), \(all)")
            try await daemon.expect(204, "DELETE", "\(Self.path)?\(test.query)")
            #expect(try await seen(daemon, test.show).isEmpty)
        }
    }

    @Test("A route has several hops with weights", arguments: [false, true])
    func multipath(isSix: Bool) async throws {
        let gateways = isSix ? ["fd00::2", "fd01::2"] : ["10.0.0.2", "10.1.0.2"]
        try await withLinks { daemon in
            let body = """
                {"destination":"default","hops":[{"gateway":"\(gateways[0])","weight":3},
                {"gateway":"\(gateways[1])","link":"x1"}]}
                """
            let made = try await daemon.expect(201, "POST", Self.path, body)
            #expect(made["hops"]?.array?.count == 2, "\(made)")
            let routes = try await seen(daemon, isSix ? "-6 default" : "default")
            let hops = routes.first?["nexthops"]?.array ?? []
            #expect(hops.compactMap { $0["gateway"]?.string } == gateways, "\(routes)")
            #expect(hops.compactMap { $0["weight"]?.int } == [3, 1])
            #expect(hops.compactMap { $0["dev"]?.string } == ["x0", "x1"])
            let listed = try await daemon.expect(200, "GET", Self.path)["routes"]?.array ?? []
            let shown = listed.first {
                $0["destination"] == "default" && $0["family"]?.string == (isSix ? "inet6" : "inet")
            }
            #expect(shown?["hops"]?.array?.compactMap { $0["gateway"]?.string } == gateways)
            #expect(shown?["hops"]?.array?.compactMap { $0["weight"]?.int } == [3, 1])
            #expect(shown?["hops"]?.array?.compactMap { $0["link"]?.string } == ["x0", "x1"])
            try await daemon.expect(
                204, "DELETE", "\(Self.path)?destination=default&family=\(isSix ? "inet6" : "inet")")
            #expect(try await seen(daemon, isSix ? "-6 default" : "default").isEmpty)
        }
    }

    @Test("PUT leads the same destination elsewhere")
    func replaced() async throws {
        try await withLinks { daemon in
            try await daemon.expect(201, "POST", Self.path, #"{"destination":"default","gateway":"10.0.0.254"}"#)
            try await daemon.expect(200, "PUT", Self.path, #"{"destination":"default","gateway":"10.1.0.254"}"#)
            #expect(try await seen(daemon, "default").compactMap { $0["gateway"]?.string } == ["10.1.0.254"])
        }
    }

    @Test("What cannot be is refused by name, and changes nothing")
    func refused() async throws {
        try await withLinks { daemon in
            // Not those of IPv6, some of which the kernel adds when it has found its own addresses to be free.
            let before = try await seen(daemon, "").compactMap { $0["dst"]?.string }
            let bodies: [(body: String, status: Int, problem: String, field: String?)] = [
                (#"{"gateway":"10.0.0.2"}"#, 422, "invalid-field", "destination"),
                (#"{"destination":"10.2.0.1/24","gateway":"10.0.0.2"}"#, 422, "invalid-field", "destination"),
                (#"{"destination":"default"}"#, 422, "invalid-field", "gateway"),
                (#"{"destination":"default","type":"blackhole","gateway":"10.0.0.2"}"#, 422, "invalid-field", "type"),
                (#"{"destination":"default","type":"local"}"#, 422, "invalid-field", "type"),
                (#"{"destination":"10.0.0.0/8","family":"inet6","gateway":"fd00::2"}"#, 422, "invalid-field", "family"),
                (#"{"destination":"default","hops":[]}"#, 422, "invalid-field", "hops"),
                (
                    #"{"destination":"default","gateway":"10.0.0.2","hops":[{"link":"x0"}]}"#, 422, "invalid-field",
                    "hops"
                ),
                (#"{"destination":"default","hops":[{"weight":2}]}"#, 422, "invalid-field", "hops.0"),
                (
                    #"{"destination":"default","hops":[{"link":"x0","weight":0}]}"#, 422, "invalid-field",
                    "hops.0.weight"
                ),
                (#"{"destination":"default","gateway":"10.0.0.2","table":0}"#, 422, "invalid-field", "table"),
                (#"{"destination":"default","gateway":"10.0.0.2","via":"x"}"#, 422, "invalid-field", "via"),
                (#"{"destination":"default","gateway":null}"#, 422, "invalid-field", "gateway"),
                (#"{"destination":"default","link":"none"}"#, 404, "link-not-found", nil),
                (#"{"destination":"default","gateway":"172.16.0.1"}"#, 422, "refused-by-kernel", nil),
                (#"{"destination":"192.0.2.0/24","link":"x0","source":"10.9.9.9"}"#, 422, "refused-by-kernel", nil),
            ]
            for (body, status, problem, field) in bodies {
                let response = try await daemon.send("POST", Self.path, body: body)
                let comment = Comment(rawValue: "\(body): \(response.status) \(response.text)")
                #expect(response.status == status, comment)
                #expect(response.problem == problem, comment)
                #expect(try response.json["field"]?.string == field, comment)
            }
            let words = try await daemon.send("POST", Self.path, body: bodies[14].body)
            // The kernel's own words, of its extended acknowledgement.
            #expect(try words.json["detail"]?.string?.contains("Nexthop has invalid gateway") == true, "\(words.text)")
            for query in ["", "?destination=10.0.0.1/8", "?destination=x", "?destination=default&family=ipx"] {
                #expect(try await daemon.problem("DELETE", Self.path + query) == "invalid-parameter", "\(query)")
            }
            #expect(try await daemon.problem("DELETE", Self.path + "?destination=default") == "entry-not-found")
            #expect(try await daemon.problem("GET", Self.path + "?table=x") == "invalid-parameter")
            #expect(try await seen(daemon, "").compactMap { $0["dst"]?.string } == before)
            #expect(before == ["10.0.0.0/24", "10.1.0.0/24"])
        }
    }
}
