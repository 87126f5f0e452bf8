import Foundation
import TestSupport
import Testing

@Suite("DNS", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct DNSTests {
    private static let a = "/v1/namespaces/a"
    private static let dns = "/v1/namespaces/a/dns"
    private static let body = """
        {"nameservers":["10.0.0.1","2001:db8::1"],"search":["lab.example"],"options":["ndots:2"],
        "hosts":[{"address":"10.0.0.2","names":["r1","r1.lab.example"]}]}
        """

    private static func files(_ home: DaemonHome) -> [String] {
        ((try? FileManager.default.subpathsOfDirectory(atPath: home.etcDirectory)) ?? []).sorted()
    }

    @Test("It is written, shown, replaced and removed")
    func lifeCycle() async throws {
        try await withDaemon { daemon in
            let etc = daemon.home.etcDirectory + "/a"
            try await daemon.send("PUT", Self.a)
            #expect(try await daemon.send("GET", Self.dns).problem == "dns-not-found")
            #expect(try await daemon.send("DELETE", Self.dns).problem == "dns-not-found")
            #expect(Self.files(daemon.home).isEmpty)

            let created = try await daemon.send("PUT", Self.dns, body: Self.body)
            #expect(created.status == 201)
            #expect(created.headers["location"] == Self.dns)
            #expect(try created.json == JSONValue(parsing: Data(Self.body.utf8)))
            #expect(try await daemon.send("GET", Self.dns).json == created.json)
            let mark = "# Written by netnsd for \(daemon.home.netnsDirectory)/a\n"
            let resolver = "nameserver 10.0.0.1\nnameserver 2001:db8::1\nsearch lab.example\noptions ndots:2\n"
            #expect(try String(contentsOfFile: etc + "/resolv.conf", encoding: .utf8) == mark + resolver)
            let hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.2\tr1 r1.lab.example\n"
            #expect(try String(contentsOfFile: etc + "/hosts", encoding: .utf8) == mark + hosts)
            let modes = try await Command.check("stat", ["-c", "%a", etc, etc + "/resolv.conf", etc + "/hosts"]).text
            #expect(modes == "755\n644\n644\n")

            let replaced = try await daemon.send("PUT", Self.dns, body: #"{"nameservers":["10.0.0.9"]}"#)
            #expect(replaced.status == 200)
            let expected: JSONValue = ["nameservers": ["10.0.0.9"], "search": [], "options": [], "hosts": []]
            #expect(try replaced.json == expected)
            #expect(Self.files(daemon.home) == ["a", "a/resolv.conf"])
            try Data("x".utf8).write(to: URL(filePath: etc + "/nsswitch.conf"))
            #expect(try await daemon.send("DELETE", Self.dns).status == 204)
            #expect(Self.files(daemon.home) == ["a", "a/nsswitch.conf"])
            #expect(try await daemon.send("GET", Self.dns).problem == "dns-not-found")
            #expect(try await daemon.send("PUT", Self.dns, body: "{}").status == 201)
            #expect(try await daemon.send("DELETE", Self.a).status == 204)
            #expect(Self.files(daemon.home) == ["a", "a/nsswitch.conf"])
        }
    }

    static let refused: [(body: String, field: String)] = [
        ("[]", "(body)"), (#"{"x":1}"#, "x"), (#"{"nameservers":"10.0.0.1"}"#, "nameservers"),
        (#"{"nameservers":null}"#, "nameservers"), (#"{"nameservers":[1]}"#, "nameservers.0"),
        (#"{"nameservers":["10.0.0.1","a"]}"#, "nameservers.1"),
        (#"{"nameservers":["10.0.0.1\nsearch evil"]}"#, "nameservers.0"),
        (#"{"nameservers":["10.0.0.1\u0000"]}"#, "nameservers.0"),
        ("{\"nameservers\":[\(Array(repeating: "\"::1\"", count: 9).joined(separator: ","))]}", "nameservers"),
        (#"{"search":["a\nnameserver 6.6.6.6"]}"#, "search.0"), (#"{"search":["a b"]}"#, "search.0"),
        (#"{"search":["é"]}"#, "search.0"), (#"{"search":[""]}"#, "search.0"), (#"{"options":["a\nb"]}"#, "options.0"),
        (#"{"options":["ndots:x"]}"#, "options.0"), (#"{"hosts":{}}"#, "hosts"), (#"{"hosts":[1]}"#, "hosts.0"),
        (#"{"hosts":[{"address":"x","names":["a"]}]}"#, "hosts.0.address"),
        (#"{"hosts":[{"names":["a"]}]}"#, "hosts.0.address"),
        (#"{"hosts":[{"address":"::1"}]}"#, "hosts.0.names"),
        (#"{"hosts":[{"address":"::1","names":[]}]}"#, "hosts.0.names"),
        (#"{"hosts":[{"address":"::1","names":["a\n6.6.6.6 b"]}]}"#, "hosts.0.names.0"),
        (#"{"hosts":[{"address":"::1","names":["a"],"x":1}]}"#, "hosts.0.x"),
    ]

    @Test("What could be more than itself in the files is refused by name, and nothing is written")
    func refusals() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.a)
            for (body, field) in Self.refused {
                let response = try await daemon.send("PUT", Self.dns, body: body)
                #expect(response.problem == "invalid-field", "\(body): \(response.text)")
                #expect(try response.json["field"]?.string == field, "\(body)")
            }
            for body in ["{", ""] {
                #expect(try await daemon.send("PUT", Self.dns, body: body).problem == "malformed-json")
            }
            #expect(try await daemon.send("GET", Self.dns + "?x=1").problem == "invalid-parameter")
            #expect(try await daemon.send("POST", Self.dns).status == 405)
            try await Command.check("touch", [daemon.home.netnsDirectory + "/stale"])
            for (name, problem) in [("none", "namespace-not-found"), ("stale", "namespace-stale")] {
                let path = "/v1/namespaces/\(name)/dns"
                #expect(try await daemon.send("GET", path).problem == problem)
                #expect(try await daemon.send("PUT", path, body: "{}").problem == problem)
                #expect(try await daemon.send("DELETE", path).problem == problem)
            }
            #expect(Self.files(daemon.home).isEmpty)
        }
    }

    @Test("An operator changes the DNS and the sysctls of its own namespaces alone")
    func ownership() async throws {
        try await withHome { home in
            let arguments = ["--socket-mode", "666", "--peer", "uid:65001=operator", "--peer", "uid:65002=operator"]
            try await withDaemon(in: home, arguments: arguments) { daemon in
                let (owner, other) = (Presenter.user(65001), Presenter.user(65002))
                _ = try await owner.send("PUT", Self.a, body: "{}", to: daemon)
                let sysctl = Self.a + "/sysctls/net.ipv4.ip_forward"
                for (path, body) in [(Self.dns, Self.body), (sysctl, #"{"value":"1"}"#)] {
                    let refused = try await other.send("PUT", path, body: body, to: daemon)
                    #expect(refused.problem == "forbidden")
                    #expect(try refused.json["right"] == "change-others")
                    let allowed = try await owner.send("PUT", path, body: body, to: daemon)
                    #expect(allowed.status < 300)
                    #expect(try await other.send("GET", path, body: nil, to: daemon).status == 200)
                }
                #expect(try await other.send("DELETE", Self.dns, body: nil, to: daemon).problem == "forbidden")
                #expect(try await owner.send("DELETE", Self.dns, body: nil, to: daemon).status == 204)
            }
        }
    }

    @Test("The files go with a namespace whose end a killed daemon has not seen, and stay with one that is there")
    func restart() async throws {
        try await withHome { home in
            try await withDaemon(in: home) { daemon in
                for name in ["a", "b"] {
                    try await daemon.send("PUT", "/v1/namespaces/\(name)")
                    try await daemon.send("PUT", "/v1/namespaces/\(name)/dns", body: Self.body)
                }
            }
            try await home.removeExternal("a")
            #expect(Self.files(home).count == 6)
            try await withDaemon(in: home) { daemon in
                #expect(Self.files(home) == ["b", "b/hosts", "b/resolv.conf"])
                let shown = try await daemon.send("GET", "/v1/namespaces/b/dns").json
                #expect(shown["nameservers"]?[0] == "10.0.0.1")
                try await daemon.send("DELETE", "/v1/namespaces/b")
                #expect(Self.files(home).isEmpty)
            }
        }
    }

    @Test("A name that is odd, or as long as a name can be, has its directory")
    func names() async throws {
        try await withDaemon { daemon in
            for name in ["a\nb", "# x", String(repeating: "n", count: 255)] {
                // As another tool would make it.
                let path = "\(daemon.home.netnsDirectory)/\(name)"
                try await daemon.send("GET", "/readyz")
                try await Command.check("sh", ["-c", #"touch "$0" && unshare --net="$0" true"#, path])
                let segment = try #require(name.addingPercentEncoding(withAllowedCharacters: .alphanumerics))
                let dns = "/v1/namespaces/\(segment)/dns"
                let created = try await daemon.send("PUT", dns, body: Self.body)
                #expect(created.status == 201, "\(created.text)")
                #expect(created.headers["location"] == dns)
                #expect(Self.files(daemon.home).contains("\(name)/resolv.conf"))
                #expect(try await daemon.send("DELETE", "/v1/namespaces/\(segment)").status == 204)
                #expect(Self.files(daemon.home).isEmpty)
            }
        }
    }
}
