import TestSupport
import Testing

@Suite("Changing links", .tags(.endToEnd), .timeLimit(.minutes(3)))
struct LinkChangeTests {
    private static let links = "/v1/namespaces/a/links"

    @Test("Each change is what ip(8) sees, and nothing else is changed")
    func patch() async throws {
        try await withDaemon { daemon in
            let home = daemon.home
            try await daemon.makeNamespaces(["a"])
            try await daemon.expect(201, "POST", Self.links, #"{"name":"br0","kind":"bridge"}"#)
            let peer = #"{"name":"x0","kind":"veth","peer":{"name":"x1"}}"#
            let made = try await daemon.expect(201, "POST", Self.links, peer)
            let index = made["index"]
            let changes: [(body: String, path: [String], value: JSONValue?)] = [
                (#"{"mtu":1300}"#, ["mtu"], 1300), (#"{"mac":"02:00:00:00:00:55"}"#, ["address"], "02:00:00:00:00:55"),
                (#"{"alias":"one"}"#, ["ifalias"], "one"), (#"{"alias":""}"#, ["ifalias"], nil),
                (#"{"master":"br0"}"#, ["master"], "br0"), ("{}", ["master"], "br0"),
                (#"{"master":null}"#, ["master"], nil), (#"{"name":"x9"}"#, ["ifname"], "x9"),
            ]
            var name = "x0"
            for change in changes {
                try await daemon.expect(200, "PATCH", "\(Self.links)/\(name)", change.body)
                if change.path == ["ifname"] { name = "x9" }
                let seen = try #require(try await home.ipLink("a", name))
                #expect(seen[change.path[0]] == change.value, "\(change.body)")
                #expect(seen["ifindex"] == index)
            }
            #expect(try await daemon.problem("GET", Self.links + "/x0") == "link-not-found")
            for isUp in [true, true, false, false] {
                #expect(
                    try await daemon.expect(200, "PATCH", Self.links + "/x9", "{\"up\":\(isUp)}")["up"] == .bool(isUp))
                #expect(try await home.ipLink("a", "x9")?["flags"]?.array?.contains("UP") == isUp)
            }
            let all = #"{"name":"y","up":true,"mtu":1280,"alias":"all","master":"br0"}"#
            try await daemon.expect(200, "PATCH", Self.links + "/x9", all)
            let seen = try #require(try await home.ipLink("a", "y"))
            #expect(seen["mtu"] == 1280)
            #expect(seen["ifalias"] == "all")
            #expect(seen["master"] == "br0")
            #expect(seen["address"] == "02:00:00:00:00:55")
        }
    }

    @Test("The loopback interface is known by another name, and not taken for the link that has its own")
    func renamedLoopback() async throws {
        try await withDaemon { daemon in
            for (name, loopback) in [("a", "up"), ("b", "down")] {
                let item = "/v1/namespaces/\(name)"
                try await daemon.expect(201, "PUT", item, #"{"loopback":"\#(loopback)"}"#)
                try await daemon.expect(200, "PATCH", item + "/links/lo", #"{"up":false,"name":"loop"}"#)
                #expect(try await daemon.expect(200, "GET", item)["loopback"] == "down")
                let other = #"{"name":"lo","kind":"bridge","up":\#(loopback == "down")}"#
                try await daemon.expect(201, "POST", item + "/links", other)
                try await daemon.expect(200, "PATCH", item + "/links/loop", "{\"up\":\(loopback == "up")}")
                #expect(try await daemon.expect(200, "GET", item)["loopback"]?.string == loopback)
                #expect(try await daemon.send("DELETE", item).status == 204)
            }
        }
    }

    @Test("What ip(8) changes is shown at once")
    func changedByOthers() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a"])
            for command in ["link add br0 type bridge", "link add x0 type veth peer name x1"] {
                try await daemon.home.ip("a", command)
            }
            let changes: [(command: String, key: String, value: JSONValue)] = [
                ("mtu 1300", "mtu", 1300), ("address 02:00:00:00:00:66", "mac", "02:00:00:00:00:66"),
                ("alias two", "alias", "two"), ("master br0", "master", "br0"), ("nomaster", "master", .null),
                ("up", "up", .bool(true)), ("down", "up", .bool(false)),
            ]
            for change in changes {
                try await daemon.home.ip("a", "link set x0 \(change.command)")
                #expect(try await daemon.expect(200, "GET", Self.links + "/x0")[change.key] == change.value)
            }
            try await daemon.home.ip("a", "link set x0 name x7")
            #expect(try await daemon.problem("GET", Self.links + "/x0") == "link-not-found")
            #expect(try await daemon.expect(200, "GET", Self.links + "/x7")["alias"] == "two")
        }
    }

    /// A request that is refused, and what with.
    struct Refusal: Sendable, CustomTestStringConvertible {
        let method: String
        var path = links
        var body: String?
        let status: Int
        let problem: String
        var field: String?
        var testDescription: String { "\(method) \(path) \(body ?? "")" }

        static func post(_ body: String, _ status: Int, _ problem: String, _ field: String? = nil) -> Refusal {
            Refusal(method: "POST", body: body, status: status, problem: problem, field: field)
        }

        static func patch(_ body: String, _ status: Int, _ problem: String, _ field: String? = nil) -> Refusal {
            Refusal(method: "PATCH", path: links + "/x0", body: body, status: status, problem: problem, field: field)
        }
    }

    private static let badNames = ["", ".", "..", "a/b", "a b", "a:b", "x%d", "sixteen-bytes-xx", "ééééééééé"]

    static let refusals: [Refusal] =
        badNames.map { .post("{\"name\":\"\($0)\",\"kind\":\"ifb\"}", 422, "invalid-field", "name") }
        + badNames.map { .patch("{\"name\":\"\($0)\"}", 422, "invalid-field", "name") }
        + [
            .post(#"{"kind":"ifb"}"#, 422, "invalid-field", "name"),
            .post(#"{"name":"n"}"#, 422, "invalid-field", "kind"),
            .post(#"{"name":"n","kind":"hsr"}"#, 422, "invalid-field", "kind"),
            .post(#"{"name":null,"kind":"ifb"}"#, 422, "invalid-field", "name"),
            .post(#"{"name":7,"kind":"ifb"}"#, 422, "invalid-field", "name"),
            .post(#"{"name":"n","kind":"ifb","colour":"red"}"#, 422, "invalid-field", "colour"),
            .post(#"{"name":"n","kind":"ifb","peer":{"name":"m"}}"#, 422, "invalid-field", "peer"),
            .post(#"{"name":"n","kind":"bridge","vlan":{"parent":"x0","id":1}}"#, 422, "invalid-field", "vlan"),
            .post(#"{"name":"n","kind":"bridge","bridge":{"stp":1}}"#, 422, "invalid-field", "bridge.stp"),
            .post(#"{"name":"n","kind":"bridge","bridge":{"colour":1}}"#, 422, "invalid-field", "bridge.colour"),
            .post(#"{"name":"n","kind":"bridge","bridge":null}"#, 422, "invalid-field", "bridge"),
            .post(#"{"name":"n","kind":"veth"}"#, 422, "invalid-field", "peer"),
            .post(#"{"name":"n","kind":"veth","peer":{"name":"n"}}"#, 422, "invalid-field", "peer.name"),
            .post(
                #"{"name":"n","kind":"veth","peer":{"name":"m","namespace":"a","host":true}}"#, 422, "invalid-field",
                "peer.host"),
            .post(#"{"name":"n","kind":"veth","peer":{"name":"m","namespace":"none"}}"#, 404, "namespace-not-found"),
            .post(#"{"name":"n","kind":"veth","peer":{"name":"m","namespace":"stale"}}"#, 409, "namespace-stale"),
            .post(#"{"name":"n","kind":"veth","peer":{"name":"x0"}}"#, 409, "link-taken"),
            .post(#"{"name":"x0","kind":"veth","peer":{"name":"m"}}"#, 409, "link-taken"),
            .post(#"{"name":"lo","kind":"ifb"}"#, 409, "link-taken"),
            .post(#"{"name":"x0","kind":"tun","tun":{"mode":"tap"}}"#, 409, "link-taken"),
            .post(#"{"name":"n","kind":"vlan","vlan":{"parent":"x0","id":4095}}"#, 422, "invalid-field", "vlan.id"),
            .post(#"{"name":"n","kind":"macvlan","macvlan":{"parent":"none"}}"#, 404, "link-not-found"),
            .post(
                #"{"name":"n","kind":"macvlan","macvlan":{"parent":"x0","mode":"x"}}"#, 422, "invalid-field",
                "macvlan.mode"),
            .post(#"{"name":"n","kind":"vxlan","vxlan":{"id":16777216}}"#, 422, "invalid-field", "vxlan.id"),
            .post(#"{"name":"n","kind":"tun"}"#, 422, "invalid-field", "tun"),
            .post(#"{"name":"n","kind":"tun","tun":{"mode":"vpn"}}"#, 422, "invalid-field", "tun.mode"),
            .post(#"{"name":"n","kind":"ifb","master":"none"}"#, 404, "link-not-found"),
            .post(#"{"name":"n","kind":"ifb","mac":"01:00:5e:00:00:01"}"#, 422, "invalid-field", "mac"),
            .post(#"{"name":"n","kind":"ifb","mac":"none"}"#, 422, "invalid-field", "mac"),
            .post(#"{"name":"n","kind":"ifb","mtu":67}"#, 422, "invalid-field", "mtu"),
            .post(#"{"name":"n","kind":"ifb","addresses":["10.0.0.1/x"]}"#, 422, "invalid-field", "addresses.0"),
            .post(
                #"{"name":"n","kind":"ifb","addresses":["10.0.0.1/24","10.0.0.1/24"]}"#, 422, "invalid-field",
                "addresses.1"),
            .post("[]", 422, "invalid-field"), .post("{", 400, "malformed-json"),
            .patch(#"{"kind":"bridge"}"#, 422, "invalid-field", "kind"),
            .patch(#"{"mtu":null}"#, 422, "invalid-field", "mtu"), .patch(#"{"up":null}"#, 422, "invalid-field", "up"),
            .patch(#"{"name":"lo"}"#, 409, "link-taken"), .patch(#"{"master":"none"}"#, 404, "link-not-found"),
            // What is no bridge takes no ports, and nothing is its own master.
            .patch(#"{"master":"lo"}"#, 422, "refused-by-kernel"),
            .patch("", 400, "malformed-json"),
            Refusal(method: "PATCH", path: links + "/none", body: "{}", status: 404, problem: "link-not-found"),
            Refusal(method: "PATCH", path: links + "/lo", body: #"{"mtu":70}"#, status: 200, problem: ""),
            Refusal(method: "DELETE", path: links + "/none", status: 404, problem: "link-not-found"),
            Refusal(method: "DELETE", path: links + "/lo", status: 422, problem: "refused-by-kernel"),
            Refusal(method: "GET", path: links + "/a%2Fb", status: 400, problem: "invalid-name"),
            Refusal(method: "GET", path: links + "?x=1", status: 400, problem: "invalid-parameter"),
            Refusal(method: "PUT", path: links + "/x0", body: "{}", status: 405, problem: "method-not-allowed"),
            Refusal(method: "DELETE", path: links, status: 405, problem: "method-not-allowed"),
            Refusal(method: "GET", path: "/v1/namespaces/none/links", status: 404, problem: "namespace-not-found"),
            Refusal(method: "GET", path: "/v1/namespaces/stale/links", status: 409, problem: "namespace-stale"),
            Refusal(method: "GET", path: "/v1/namespaces/stale/links/lo", status: 409, problem: "namespace-stale"),
        ]

    @Test("What cannot be is refused by name, and changes nothing")
    func refused() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a"])
            try await Command.check("touch", [daemon.home.netnsDirectory + "/stale"])
            try await daemon.home.ip("a", "link add x0 type veth peer name x1")
            let before = try await daemon.home.ipLinks("a")
            for refusal in Self.refusals {
                let response = try await daemon.send(refusal.method, refusal.path, body: refusal.body)
                let comment = Comment(rawValue: "\(refusal.testDescription): \(response.status) \(response.text)")
                #expect(response.status == refusal.status, comment)
                #expect((response.problem ?? "") == refusal.problem, comment)
                if let field = refusal.field { #expect(try response.json["field"]?.string == field, comment) }
            }
            #expect(try await daemon.home.ipLinks("a") == before)
            #expect(try await daemon.home.ipLink("a", "x0")?["mtu"] == 1500)
        }
    }
}
