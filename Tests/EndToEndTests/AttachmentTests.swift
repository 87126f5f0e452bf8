import Foundation
import TestSupport
import Testing

/// With Debian's plugins, in a network namespace of the daemon's own: bridges and rules go with it.
@Suite("CNI attachments", .tags(.endToEnd), .serialized, .timeLimit(.minutes(4)))
struct AttachmentTests {
    @Test("bridge, host-local, tuning, portmap and firewall attach two namespaces that reach each other, and detach")
    func chain() async throws {
        try await withNetworks { (networks, daemon) async throws in
            try networks.configure(
                "lab",
                """
                {"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":true,
                "ipam":{"type":"host-local","ranges":[[{"subnet":"10.1.0.0/24"}]],
                "routes":[{"dst":"0.0.0.0/0"}],"dataDir":"\(networks.root)/ipam"}},
                {"type":"tuning","mtu":1400,"sysctl":{"net.ipv4.conf.all.arp_ignore":"1"}},
                {"type":"portmap","capabilities":{"portMappings":true},"snat":true},
                {"type":"firewall","backend":"iptables"}
                """)
            for (name, port) in [("a", 8001), ("b", 8002)] {
                #expect(try await daemon.send("PUT", "/v1/namespaces/\(name)").status == 201)
                let answer = try await daemon.send(
                    "POST", "/v1/namespaces/\(name)/attachments",
                    body: """
                        {"network":"lab","args":{"IgnoreUnknown":"1"},
                        "capabilities":{"portMappings":[{"hostPort":\(port),"containerPort":80.0,"protocol":"tcp"}]}}
                        """)
                #expect(answer.status == 201, "\(answer.text)")
                let location = "/v1/namespaces/\(name)/attachments/lab-\(name)-eth0"
                #expect(answer.headers["location"] == location)
                #expect(try answer.json["result"]?["interfaces"]?[2]?["sandbox"]?.string?.hasSuffix("/\(name)") == true)
                #expect(try await daemon.send("GET", location).json == answer.json)
                let list = try await daemon.send("GET", "/v1/namespaces/\(name)/attachments").json
                #expect(list["attachments"]?.array == [try answer.json])
            }
            let shown = try await inside(daemon, "a", ["ip", "-4", "-o", "addr", "show", "eth0"])
            #expect(shown.contains("10.1.0.2/24"))
            #expect(try await inside(daemon, "a", ["ip", "-o", "link", "show", "eth0"]).contains(" mtu 1400 "))
            #expect(try await inside(daemon, "a", ["cat", "/proc/sys/net/ipv4/conf/all/arp_ignore"]) == "1\n")
            try await exchange(daemon, from: "a", to: "b", at: "10.1.0.3")
            let rules = try await here(daemon, ["iptables-save"])
            #expect(rules.contains("--dport 8001") && rules.contains("10.1.0.2/32"))

            for _ in 0..<2 {
                #expect(
                    try await daemon.send("DELETE", "/v1/namespaces/a/attachments/lab-a-eth0").status == 204)
            }
            let after = try await here(daemon, ["iptables-save"])
            #expect(!after.contains("--dport 8001") && !after.contains("10.1.0.2/32"))
            #expect(after.contains("--dport 8002"))
            #expect(networks.addresses("lab") == ["10.1.0.3"])
            #expect(try await links(daemon, "a") == ["lo"])
            #expect(
                try await daemon.send("GET", "/v1/namespaces/a/attachments/lab-a-eth0").problem
                    == "attachment-not-found")
            // The other one goes with its namespace.
            #expect(try await daemon.send("DELETE", "/v1/namespaces/b").status == 204)
            #expect(networks.addresses("lab").isEmpty && networks.ids.isEmpty)
            #expect(try await !here(daemon, ["iptables-save"]).contains("--dport 8002"))
        }
    }

    @Test("ptp and bridge on two interfaces are checked, and CHECK tells in the plugin's words what is wrong")
    func check() async throws {
        try await withNetworks { (networks, daemon) async throws in
            try networks.configure(
                "line",
                """
                {"type":"ptp","ipam":{"type":"host-local","ranges":[[{"subnet":"10.2.0.0/24"}]],
                "dataDir":"\(networks.root)/ipam"}}
                """)
            try networks.configure(
                "lab",
                """
                {"type":"bridge","bridge":"cni1","ipam":{"type":"host-local","ranges":[[{"subnet":"10.3.0.0/24"}]],
                "dataDir":"\(networks.root)/ipam"}}
                """)
            #expect(try await daemon.send("PUT", "/v1/namespaces/a").status == 201)
            let attachments = "/v1/namespaces/a/attachments"
            #expect(try await daemon.send("POST", attachments, body: #"{"network":"line"}"#).status == 201)
            let taken = try await daemon.send("POST", attachments, body: #"{"network":"lab"}"#)
            #expect(taken.problem == "attachment-exists" && taken.status == 409)
            #expect(
                try await daemon.send("POST", attachments, body: #"{"network":"lab","interface":"eth1"}"#).status
                    == 201)
            for id in ["line-a-eth0", "lab-a-eth1"] {
                let answer = try await daemon.send("POST", "\(attachments)/\(id)/check")
                #expect(answer.status == 204, "\(answer.text)")
            }
            _ = try await inside(daemon, "a", ["ip", "addr", "flush", "dev", "eth1"])
            let refusal = try await daemon.send("POST", "\(attachments)/lab-a-eth1/check")
            #expect(refusal.status == 502 && refusal.problem == "cni-plugin-failed")
            #expect(try refusal.json["plugin"]?["command"] == "CHECK")
            #expect(try refusal.json["plugin"]?["type"] == "bridge")
            #expect(
                try await daemon.send("POST", "\(attachments)/none-a-eth0/check").problem == "attachment-not-found")
            // Bulk deletion takes them away as well.
            #expect(
                try await daemon.send("PATCH", "/v1/namespaces/a", body: #"{"labels":{"x":"y"}}"#).status == 200)
            let deletion = try await daemon.send("DELETE", "/v1/namespaces?label=x=y")
            #expect(try deletion.json["deleted"] == ["a"], "\(deletion.text)")
            #expect(networks.addresses("line").isEmpty && networks.addresses("lab").isEmpty && networks.ids.isEmpty)
        }
    }

    @Test("A version that Debian's plugins do not speak is refused by them")
    func version() async throws {
        try await withNetworks { (networks, daemon) async throws in
            try networks.configure("new", version: "1.1.0", #"{"type":"ptp","ipam":{"type":"host-local"}}"#)
            #expect(try await daemon.send("PUT", "/v1/namespaces/a").status == 201)
            let answer = try await daemon.send("POST", "/v1/namespaces/a/attachments", body: #"{"network":"new"}"#)
            #expect(answer.status == 502)
            #expect(try answer.json["plugin"]?["code"] == 1, "\(answer.text)")
            #expect(try answer.json["detail"]?.string?.contains("incompatible CNI versions") == true)
        }
    }

    @Test("What another tool attached is listed and taken away, and what we attached another tool takes away")
    func interchange() async throws {
        try await withNetworks { (networks, daemon) async throws in
            let list = try networks.configure(
                "lab",
                """
                {"type":"bridge","bridge":"cni0","ipam":{"type":"host-local","ranges":[[{"subnet":"10.4.0.0/24"}]],
                "dataDir":"\(networks.root)/ipam"}}
                """)
            #expect(try await daemon.send("PUT", "/v1/namespaces/a").status == 201)
            let path = "\(daemon.home.netnsDirectory)/a"
            // As cnitool does it: its id, its cache, by its own path to the directory.
            let alias = "\(networks.root)/alias"
            try FileManager.default.createSymbolicLink(
                atPath: alias, withDestinationPath: daemon.home.netnsDirectory)
            let result = try await plugin(
                daemon, networks, "ADD", container: "cnitool-77383ca0a0715733ca6f", path: path, previous: nil)
            try networks.cache(
                "lab-cnitool-77383ca0a0715733ca6f-eth0",
                """
                {"kind":"cniCacheV1","containerId":"cnitool-77383ca0a0715733ca6f","config":\
                "\(Data(list.utf8).base64EncodedString())","ifName":"eth0","networkName":"lab","netns":"\(alias)/a",\
                "result":\(result)}
                """)
            let shown = try await daemon.send("GET", "/v1/namespaces/a/attachments").json["attachments"]
            #expect(shown?.array?.count == 1)
            #expect(shown?[0]?["result"]?["ips"]?[0]?["address"] == "10.4.0.2/24")
            let id = try #require(shown?[0]?["id"]?.string)
            #expect(try await daemon.send("DELETE", "/v1/namespaces/a/attachments/\(id)").status == 204)
            #expect(try await links(daemon, "a") == ["lo"])
            #expect(networks.addresses("lab").isEmpty && networks.ids.isEmpty)

            // And the other way round, with what the cache says and nothing else.
            #expect(
                try await daemon.send("POST", "/v1/namespaces/a/attachments", body: #"{"network":"lab"}"#).status == 201
            )
            let kept = try networks.cached("lab-a-eth0")
            let configuration = try #require(kept["config"]?.string.flatMap { Data(base64Encoded: $0) })
            #expect(String(decoding: configuration, as: UTF8.self) == list)
            let previous = try #require(kept["result"])
            _ = try await plugin(
                daemon, networks, "DEL", container: try #require(kept["containerId"]?.string),
                path: try #require(kept["netns"]?.string), previous: previous)
            try networks.uncache("lab-a-eth0")
            #expect(try await links(daemon, "a") == ["lo"])
            #expect(networks.addresses("lab").isEmpty)
            #expect(try await daemon.send("GET", "/v1/namespaces/a/attachments").json["attachments"] == [])
            #expect(try await daemon.send("DELETE", "/v1/namespaces/a").status == 204)
        }
    }

    /// Runs the bridge plugin of the network `lab` as another runtime would.
    private func plugin(
        _ daemon: Daemon, _ networks: NetworksHome, _ command: String, container: String, path: String,
        previous: JSONValue?
    ) async throws -> String {
        let before = try previous.map { #""prevResult":\#(String(decoding: try $0.encoded(), as: UTF8.self)),"# } ?? ""
        let configuration = """
            {"cniVersion":"1.0.0","name":"lab",\(before)"type":"bridge","bridge":"cni0","ipam":{"type":"host-local",
            "ranges":[[{"subnet":"10.4.0.0/24"}]],"dataDir":"\(networks.root)/ipam"}}
            """
        return try await Command.check(
            "nsenter", ["--net=/proc/\(daemon.pid)/ns/net", "/usr/lib/cni/bridge"], input: configuration,
            environment: [
                "CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_NETNS": path, "CNI_IFNAME": "eth0",
                "CNI_PATH": "/usr/lib/cni",
            ]
        ).text
    }

    /// A line over TCP from one namespace to another.
    private func exchange(_ daemon: Daemon, from: String, to: String, at address: String) async throws {
        let server = """
            use IO::Socket::INET; $| = 1; alarm 30;
            my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "\(address)", LocalPort => 80) or die $!;
            my $c = $s->accept or die $!; print $c scalar <$c>;
            """
        let client = """
            use IO::Socket::INET; alarm 30; my $c;
            until ($c = IO::Socket::INET->new(PeerAddr => "\(address)", PeerPort => 80)) { select(undef, undef, undef, 0.05) }
            print $c "hello\\n"; $c->flush; print scalar <$c>;
            """
        async let serving = inside(daemon, to, ["perl", "-e", server])
        let answer = try await inside(daemon, from, ["perl", "-e", client])
        #expect(answer == "hello\n")
        _ = try await serving
    }

    /// The names of a namespace's interfaces.
    private func links(_ daemon: Daemon, _ name: String) async throws -> [String] {
        let text = try await inside(daemon, name, ["ip", "-j", "link"])
        return try JSONValue(parsing: Data(text.utf8)).array?.compactMap { $0["ifname"]?.string } ?? []
    }

    private func inside(_ daemon: Daemon, _ name: String, _ command: [String]) async throws -> String {
        try await Command.check("nsenter", ["--net=\(daemon.home.netnsDirectory)/\(name)"] + command).text
    }

    private func here(_ daemon: Daemon, _ command: [String]) async throws -> String {
        try await Command.check("nsenter", ["--net=/proc/\(daemon.pid)/ns/net"] + command).text
    }
}
