import TestSupport
import Testing

@Suite("Wires", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct WireTests {
    /// A wire's body, between the links `x` of `a` and `y` of `b`.
    static func body(
        _ id: String = "w", a: String = "a", b: String = "b", ends: (String, String) = ("x", "y"),
        addresses: (String, String) = ("", ""), _ more: String = ""
    ) -> String {
        """
        {"id":"\(id)","a":{"namespace":"\(a)","link":"\(ends.0)","addresses":[\(addresses.0)]},
        "b":{"namespace":"\(b)","link":"\(ends.1)","addresses":[\(addresses.1)]}\(more)}
        """
    }

    static let addresses = (#""10.0.0.1/24","fd00::1/64""#, #""10.0.0.2/24","fd00::2/64""#)

    private func pings(_ home: DaemonHome, _ name: String, _ address: String) async throws -> Bool {
        try await home.inside(name, "ping", ["-c", "1", "-W", "5", address]).status == 0
    }

    @Test("A wire is what was asked for, at once carries what is sent, and is gone after its deletion")
    func whole() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b"])
            let body = """
                {"id":"w","a":{"namespace":"a","link":"x","mac":"02:00:00:00:00:0a","addresses":["10.0.0.1/24","fd00::1/64"]},
                "b":{"namespace":"b","link":"y","mac":"02:00:00:00:00:0b","addresses":["10.0.0.2/24","fd00::2/64"]},"mtu":1400}
                """
            let response = try await daemon.send("POST", "/v1/wires", body: body)
            #expect(response.status == 201)
            #expect(response.headers["location"] == "/v1/wires/w")
            let made = try response.json
            #expect(made["state"] == "up")
            for address in ["10.0.0.2", "fd00::2"] { #expect(try await pings(daemon.home, "a", address)) }
            for (name, link, mac) in [("a", "x", "02:00:00:00:00:0a"), ("b", "y", "02:00:00:00:00:0b")] {
                let seen = try #require(try await daemon.home.ipLink(name, link))
                #expect(seen["mtu"] == 1400)
                #expect(seen["address"]?.string == mac)
                #expect(seen["linkinfo"]?["info_kind"] == "veth")
                #expect(seen["flags"]?.array?.contains("UP") == true)
            }
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w") == made)
            #expect(daemon.home.wireRecords == ["w.json"])
            #expect(try await daemon.expect(200, "GET", "/v1/namespaces/a/links/x")["peer"]?["namespace"] == "b")
            try await daemon.expect(204, "DELETE", "/v1/wires/w")
            #expect(try await daemon.home.ipLinks("a") == ["lo"])
            #expect(try await daemon.home.ipLinks("b") == ["lo"])
            #expect(daemon.home.wireRecords.isEmpty)
            #expect(try await daemon.problem("DELETE", "/v1/wires/w") == "wire-not-found")
            #expect(try await daemon.problem("GET", "/v1/wires/w") == "wire-not-found")
            #expect(try await daemon.problem("PATCH", "/v1/wires/w", "{}") == "wire-not-found")
        }
    }

    @Test("Without an id a wire is given one, and it may join a namespace with itself")
    func generated() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a"])
            let made = try await daemon.expect(
                201, "POST", "/v1/wires", #"{"a":{"namespace":"a","link":"x"},"b":{"namespace":"a","link":"y"}}"#)
            let id = try #require(made["id"]?.string)
            #expect(id.hasPrefix("wire-"))
            #expect(try await daemon.home.ipLinks("a").sorted() == ["lo", "x", "y"])
            // By the end that is still called so.
            try await daemon.home.ip("a", "link set x down")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/\(id)")["state"] == "down")
            try await daemon.home.ip("a", "link set x name z")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/\(id)")["state"] == "broken")
            try await daemon.expect(204, "DELETE", "/v1/wires/\(id)")
            #expect(try await daemon.home.ipLinks("a") == ["lo"])
        }
    }

    @Test("Wires are listed in pages and by namespace, and an id is given once")
    func listing() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b", "c"])
            for (id, b) in [("w3", "c"), ("w1", "b"), ("w2", "b")] {
                try await daemon.expect(201, "POST", "/v1/wires", Self.body(id, b: b, ends: (id, id)))
            }
            func ids(_ query: String) async throws -> [String] {
                let page = try await daemon.expect(200, "GET", "/v1/wires" + query)
                let ids = page["wires"]?.array?.compactMap { $0["id"]?.string } ?? []
                return ids + [page["total"]?.int.map { String($0) } ?? "", page["next"]?.string ?? ""]
            }
            #expect(try await ids("") == ["w1", "w2", "w3", "3", ""])
            #expect(try await ids("?limit=2") == ["w1", "w2", "3", "w2"])
            #expect(try await ids("?limit=2&after=w2") == ["w3", "3", ""])
            #expect(try await ids("?after=w10") == ["w2", "w3", "3", ""])
            #expect(try await ids("?namespace=c") == ["w3", "1", ""])
            #expect(try await ids("?namespace=a&limit=1") == ["w1", "3", "w1"])
            #expect(try await ids("?namespace=none") == ["0", ""])
            #expect(try await daemon.problem("POST", "/v1/wires", Self.body("w1", ends: ("p", "q"))) == "wire-taken")
            #expect(try await !daemon.home.ipLinks("a").contains("p"))
            for query in ["?limit=0", "?limit=x", "?after=", "?namespace=a%2Fb", "?state=up"] {
                #expect(try await daemon.problem("GET", "/v1/wires" + query) == "invalid-parameter", "\(query)")
            }
        }
    }

    @Test("What cannot be is refused by name")
    func refused() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b"])
            try await Command.check("touch", [daemon.home.netnsDirectory + "/stale"])
            let y = #""b":{"namespace":"b","link":"y"}"#
            let x = #""a":{"namespace":"a","link":"x"}"#
            let bodies: [(body: String, problem: String, field: String?)] = [
                ("{\(x)}", "invalid-field", "b"), ("{\(y)}", "invalid-field", "a"),
                ("{\(x),\"b\":null}", "invalid-field", "b"), ("{\(x),\(y),\"id\":\".x\"}", "invalid-field", "id"),
                ("{\(x),\(y),\"id\":\"a/b\"}", "invalid-field", "id"),
                ("{\(x),\(y),\"id\":\"\(String(repeating: "x", count: 65))\"}", "invalid-field", "id"),
                ("{\(x),\(y),\"colour\":1}", "invalid-field", "colour"),
                ("{\(x),\(y),\"mtu\":67}", "invalid-field", "mtu"),
                ("{\(x),\(y),\"impairment\":null}", "invalid-field", "impairment"),
                ("{\(x),\(y),\"impairment\":{\"both\":{}}}", "invalid-field", "impairment.both"),
                ("{\(x),\"b\":{\"namespace\":\"a\",\"link\":\"x\"}}", "invalid-field", "b.link"),
                ("{\(x),\"b\":{\"link\":\"y\"}}", "invalid-field", "b.namespace"),
                ("{\(x),\"b\":{\"namespace\":\"b\",\"link\":\"a/b\"}}", "invalid-field", "b.link"),
                ("{\(x),\"b\":{\"namespace\":\"b\",\"link\":\"y\",\"mac\":\"x\"}}", "invalid-field", "b.mac"),
                ("{\(x),\"b\":{\"namespace\":\"b\",\"link\":\"y\",\"up\":true}}", "invalid-field", "b.up"),
                ("{\(x),\"b\":{\"namespace\":\"none\",\"link\":\"y\"}}", "namespace-not-found", nil),
                ("{\(x),\"b\":{\"namespace\":\"stale\",\"link\":\"y\"}}", "namespace-stale", nil),
            ]
            let impairments: [(text: String, field: String)] = [
                (#"{"burstBytes":2000}"#, "burstBytes"), (#"{"rateBitsPerSecond":7}"#, "rateBitsPerSecond"),
                (#"{"rateBitsPerSecond":null}"#, "rateBitsPerSecond"),
                (#"{"jitterMicroseconds":5}"#, "jitterMicroseconds"),
                (#"{"reorderPercent":5}"#, "reorderPercent"), (#"{"lossPercent":101}"#, "lossPercent"),
                (#"{"lossPercent":-0.1}"#, "lossPercent"), (#"{"speed":1}"#, "speed"),
            ]
            let impaired = impairments.map { (text, field) -> (String, String, String?) in
                ("{\(x),\(y),\"impairment\":{\"aToB\":\(text)}}", "invalid-field", "impairment.aToB.\(field)")
            }
            for (body, problem, field) in bodies + impaired {
                let response = try await daemon.send("POST", "/v1/wires", body: body)
                #expect(response.problem == problem, "\(body): \(response.text)")
                #expect(try response.json["field"]?.string == field, "\(body): \(response.text)")
            }
            #expect(try await daemon.problem("GET", "/v1/wires/a%2Fb") == "invalid-name")
            #expect(try await daemon.problem("PUT", "/v1/wires/w", "{}") == "method-not-allowed")
            #expect(try await daemon.home.ipLinks("a") == ["lo"])
            #expect(daemon.home.wireRecords.isEmpty)
        }
    }

    @Test("A bridge joins three namespaces")
    func bridge() async throws {
        try await withDaemon { daemon in
            let hosts = ["h1", "h2", "h3"]
            try await daemon.makeNamespaces(["sw"] + hosts)
            try await daemon.expect(
                201, "POST", "/v1/namespaces/sw/links", #"{"name":"br0","kind":"bridge","up":true}"#)
            for (number, host) in hosts.enumerated() {
                let addresses = "\"10.0.0.\(number + 1)/24\",\"fd00::\(number + 1)/64\""
                try await daemon.expect(
                    201, "POST", "/v1/wires",
                    Self.body(host, a: host, b: "sw", ends: ("eth0", "to-\(host)"), addresses: (addresses, "")))
                try await daemon.expect(200, "PATCH", "/v1/namespaces/sw/links/to-\(host)", #"{"master":"br0"}"#)
            }
            for address in ["10.0.0.2", "10.0.0.3", "fd00::2", "fd00::3"] {
                #expect(try await pings(daemon.home, "h1", address), "\(address)")
            }
            let wires = try await daemon.expect(200, "GET", "/v1/wires")["wires"]?.array ?? []
            #expect(wires.map { $0["state"] } == ["up", "up", "up"])
        }
    }

    @Test("A router in the middle leads from one network to the other")
    func router() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["h1", "r", "h2"])
            for number in 1...2 {
                try await daemon.expect(
                    201, "POST", "/v1/wires",
                    Self.body(
                        "w\(number)", a: "h\(number)", b: "r", ends: ("eth0", "eth\(number)"),
                        addresses: (
                            "\"10.0.\(number).2/24\",\"fd00:\(number)::2/64\"",
                            "\"10.0.\(number).1/24\",\"fd00:\(number)::1/64\""
                        )))
                for gateway in ["10.0.\(number).1", "fd00:\(number)::1"] {
                    try await daemon.expect(
                        201, "POST", "/v1/namespaces/h\(number)/routes",
                        "{\"destination\":\"default\",\"gateway\":\"\(gateway)\"}")
                }
            }
            let forwarding = "echo 1 > /proc/sys/net/ipv4/ip_forward && echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"
            #expect(try await !pings(daemon.home, "h1", "10.0.2.2"), "nothing forwards yet")
            #expect(try await daemon.home.inside("r", "sh", ["-c", forwarding]).status == 0)
            for address in ["10.0.2.2", "fd00:2::2"] {
                #expect(try await pings(daemon.home, "h1", address), "\(address)")
            }
            let neighbours =
                try await daemon.expect(200, "GET", "/v1/namespaces/r/neighbours")["neighbours"]?.array ?? []
            #expect(neighbours.contains { $0["address"] == "10.0.2.2" && $0["link"] == "eth2" })
        }
    }
}
