import TestSupport
import Testing

@Suite("Links over HTTP", .tags(.endToEnd), .timeLimit(.minutes(3)))
struct LinkTests {
    static let links = "/v1/namespaces/a/links"

    /// A kind of link, how it is asked for, and what ip(8) must say of it.
    struct Kind: Sendable, CustomTestStringConvertible {
        let name: String
        /// The members of the body besides name and kind.
        var body = ""
        /// What `ip link add` takes for one, before and after the kind.
        var ip = (before: "", after: "")
        /// As `info_kind` has it.
        var infoKind: String?
        /// What `info_data` has among others.
        var data: [String: JSONValue] = [:]
        /// What our answer has under the key of the kind, among others.
        var details: [String: JSONValue] = [:]
        var testDescription: String { "\(name) \(body)" }
    }

    static let kinds = [
        Kind(name: "bridge", details: ["stp": .bool(false), "vlanFiltering": .bool(false)]),
        Kind(
            name: "bridge", body: #","bridge":{"stp":true,"vlanFiltering":true}"#,
            ip: ("", "stp_state 1 vlan_filtering 1"), data: ["stp_state": 1, "vlan_filtering": 1],
            details: ["stp": .bool(true), "vlanFiltering": .bool(true)]),
        Kind(
            name: "macvlan", body: #","macvlan":{"parent":"p0","mode":"vepa"}"#, ip: ("link p0", "mode vepa"),
            data: ["mode": "vepa"], details: ["mode": "vepa"]),
        Kind(
            name: "vlan", body: #","vlan":{"parent":"p0","id":7}"#, ip: ("link p0", "id 7"),
            data: ["id": 7, "protocol": "802.1Q"], details: ["id": 7, "protocol": "802.1Q"]),
        Kind(
            name: "vxlan", body: #","vxlan":{"id":9,"remote":"10.0.0.9","local":"10.0.0.1","port":4790}"#,
            ip: ("", "id 9 remote 10.0.0.9 local 10.0.0.1 dstport 4790"),
            data: ["id": 9, "remote": "10.0.0.9", "local": "10.0.0.1", "port": 4790],
            details: ["id": 9, "remote": "10.0.0.9", "local": "10.0.0.1", "port": 4790]),
        Kind(name: "ifb"), Kind(name: "dummy"),
        Kind(
            name: "tun", body: #","tun":{"mode":"tap","owner":65001,"group":65002,"multiQueue":true}"#,
            infoKind: "tun", data: ["type": "tap", "user": 65001, "group": 65002, "multi_queue": .bool(true)],
            details: ["mode": "tap", "owner": 65001, "group": 65002, "multiQueue": .bool(true)]),
        Kind(
            name: "tun", body: #","tun":{"mode":"tun"}"#, infoKind: "tun", data: ["type": "tun"],
            details: ["mode": "tun", "owner": nil]),
    ]

    /// Whether the kernel has it; tun devices are not made by a message.
    private static func isKnown(_ kind: Kind) async throws -> Bool {
        guard kind.infoKind == nil else { return true }
        let before = kind.ip.before
        return try await kernelHas(linkKind: "\(kind.name) \(kind.ip.after)", before)
    }

    @Test(
        "ip(8) sees what was made, and nothing of it after its deletion; what the kernel lacks is 501", arguments: kinds
    )
    func made(_ kind: Kind) async throws {
        try await withDaemon { daemon in
            let home = daemon.home
            try await daemon.makeNamespaces(["a"])
            try await home.ip("a", "link add p0 type veth peer name p1")
            let body = "{\"name\":\"x0\",\"kind\":\"\(kind.name)\"\(kind.body)}"
            guard try await Self.isKnown(kind) else {
                let answer = try await daemon.send("POST", Self.links, body: body)
                #expect(answer.status == 501)
                #expect(answer.problem == "not-supported")
                #expect(try await home.ipLink("a", "x0") == nil)
                return
            }
            let response = try await daemon.send("POST", Self.links, body: body)
            try #require(response.status == 201, "\(response.text)")
            #expect(response.headers["location"] == Self.links + "/x0")
            let seen = try #require(try await home.ipLink("a", "x0"))
            #expect(seen["linkinfo"]?["info_kind"]?.string == kind.infoKind ?? kind.name)
            for (key, value) in kind.data { #expect(seen["linkinfo"]?["info_data"]?[key] == value, "\(key), \(seen)") }
            try expectDetails(of: kind, try response.json)
            try await expectAgreement(daemon, "x0")
            #expect(try await daemon.problem("POST", Self.links, body) == "link-taken")
            try await daemon.expect(204, "DELETE", Self.links + "/x0")
            #expect(try await home.ipLinks("a").sorted() == ["lo", "p0", "p1"])
            #expect(try await daemon.problem("DELETE", Self.links + "/x0") == "link-not-found")
            #expect(try await daemon.problem("GET", Self.links + "/x0") == "link-not-found")
        }
    }

    @Test("What ip(8) has made is shown at once, and gone at once", arguments: kinds.filter { $0.infoKind == nil })
    func seen(_ kind: Kind) async throws {
        guard try await Self.isKnown(kind) else { return }
        try await withDaemon { daemon in
            let home = daemon.home
            try await daemon.makeNamespaces(["a"])
            try await home.ip("a", "link add p0 type veth peer name p1")
            try await home.ip("a", "link add x0 \(kind.ip.before) type \(kind.name) \(kind.ip.after)")
            let shown = try await daemon.expect(200, "GET", Self.links + "/x0")
            #expect(shown["kind"]?.string == kind.name)
            try expectDetails(of: kind, shown)
            let listed = try await daemon.expect(200, "GET", Self.links)["links"]?.array ?? []
            #expect(Set(listed.compactMap { $0["name"]?.string }) == Set(try await home.ipLinks("a")))
            let indices = listed.compactMap { $0["index"]?.int }
            #expect(indices == indices.sorted())
            try await expectAgreement(daemon, "x0")
            try await home.ip("a", "link del x0")
            #expect(try await daemon.problem("GET", Self.links + "/x0") == "link-not-found")
        }
    }

    private func expectDetails(of kind: Kind, _ shown: JSONValue) throws {
        #expect(shown["kind"]?.string == kind.name)
        for (key, value) in kind.details { #expect(shown[kind.name]?[key] == value, "\(key), \(shown)") }
    }

    /// Compares all that both tell of a link, until both agree: the kernel brings links up in its own time.
    private func expectAgreement(_ daemon: Daemon, _ link: String) async throws {
        var differences: [String] = []
        try? await eventually(within: 10, "agreement") {
            let ours = try await daemon.expect(200, "GET", Self.links + "/" + link)
            let seen = try await daemon.home.ipLink("a", link) ?? .null
            let addresses = try await daemon.home.ipJSON("a", "addr show dev \(link)").first?["addr_info"]?.array ?? []
            differences = Self.differences(ours, seen, addresses)
            return differences.isEmpty
        }
        #expect(differences.isEmpty)
    }

    private static func differences(_ ours: JSONValue, _ seen: JSONValue, _ addresses: [JSONValue]) -> [String] {
        var pairs: [(String, JSONValue?, JSONValue?)] = [
            ("name", ours["name"], seen["ifname"]), ("index", ours["index"], seen["ifindex"]),
            ("mtu", ours["mtu"], seen["mtu"]), ("qdisc", ours["qdisc"], seen["qdisc"]),
            ("state", ours["state"], (seen["operstate"]?.string?.lowercased()).map { .string($0) }),
            ("alias", ours["alias"], seen["ifalias"] ?? .null), ("master", ours["master"], seen["master"] ?? .null),
        ]
        if seen["link_type"] == "ether" { pairs.append(("mac", ours["mac"], seen["address"])) }
        let statistics: [(String, String, String)] = [
            ("rxBytes", "rx", "bytes"), ("rxPackets", "rx", "packets"), ("rxErrors", "rx", "errors"),
            ("rxDropped", "rx", "dropped"), ("multicast", "rx", "multicast"), ("txBytes", "tx", "bytes"),
            ("txPackets", "tx", "packets"), ("txErrors", "tx", "errors"), ("txDropped", "tx", "dropped"),
            ("collisions", "tx", "collisions"),
        ]
        for (key, direction, name) in statistics {
            pairs.append((key, ours["statistics"]?[key], seen["stats64"]?[direction]?[name]))
        }
        let texts = addresses.map { "\($0["local"]?.string ?? "")/\($0["prefixlen"]?.int ?? -1)" }
        let shown = ours["addresses"]?.array?.compactMap { $0["address"]?.string } ?? []
        return pairs.filter { $0.1 != $0.2 }.map { "\($0.0): \($0.1 ?? .null), \($0.2 ?? .null)" }
            + (texts == shown ? [] : ["addresses: \(shown), \(texts)"])
    }

    @Test("What is asked for of a new link is what it has")
    func furnished() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a"])
            try await daemon.expect(201, "POST", Self.links, #"{"name":"br0","kind":"bridge","up":true}"#)
            let body = """
                {"name":"x0","kind":"ifb","up":true,"mtu":1400,"mac":"02:00:00:00:00:07","alias":"uplink é",
                "addresses":["10.0.0.1/24","fd00::1/64"]}
                """
            let made = try await daemon.expect(201, "POST", Self.links, body)
            #expect(made["addresses"]?.array?.compactMap { $0["address"]?.string }.contains("fd00::1/64") == true)
            let seen = try #require(try await daemon.home.ipLink("a", "x0"))
            #expect(seen["mtu"] == 1400)
            #expect(seen["address"] == "02:00:00:00:00:07")
            #expect(seen["ifalias"] == "uplink é")
            #expect(seen["flags"]?.array?.contains("UP") == true)
            try await expectAgreement(daemon, "x0")
            let port =
                #"{"name":"v0","kind":"veth","master":"br0","peer":{"name":"v1","up":true,"mac":"02:00:00:00:00:08"}}"#
            let veth = try await daemon.expect(201, "POST", Self.links, port)
            #expect(veth["master"] == "br0")
            #expect(veth["peer"]?["link"] == "v1")
            #expect(try await daemon.home.ipLink("a", "v0")?["master"] == "br0")
            #expect(try await daemon.home.ipLink("a", "v1")?["address"] == "02:00:00:00:00:08")
            try await daemon.expect(204, "DELETE", Self.links + "/v1")
            #expect(try await daemon.home.ipLinks("a").sorted() == ["br0", "lo", "x0"])
        }
    }
}
