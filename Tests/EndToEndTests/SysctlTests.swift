import Foundation
import TestSupport
import Testing

@Suite("Sysctls", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct SysctlTests {
    private static let a = "/v1/namespaces/a"
    private static let forwarding = "/v1/namespaces/a/sysctls/net.ipv4.ip_forward"

    private static func host(_ key: String) throws -> String {
        let path = "/proc/sys/" + key.replacing(".", with: "/")
        return try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .newlines)
    }

    private static func sysctl(_ arguments: [String], in namespace: String, of daemon: Daemon) async throws -> String {
        let path = "\(daemon.home.netnsDirectory)/\(namespace)"
        let text = try await Command.check("nsenter", ["--net=\(path)", "sysctl"] + arguments).text
        return text.trimmingCharacters(in: .newlines)
    }

    @Test("What is set through us sysctl sees inside and not outside, and the reverse")
    func bothWays() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.a)
            let key = "net.ipv4.ip_default_ttl"
            let before = try Self.host(key)
            let set = try await daemon.send("PUT", "\(Self.a)/sysctls/\(key)", body: #"{"value":"77"}"#)
            #expect(set.status == 200)
            #expect(try set.json == ["key": .string(key), "value": "77"])
            #expect(try await Self.sysctl(["-n", key], in: "a", of: daemon) == "77")
            #expect(try Self.host(key) == before)
            _ = try await Self.sysctl(["-w", "\(key)=78"], in: "a", of: daemon)
            #expect(try await daemon.send("GET", "\(Self.a)/sysctls/\(key)").json["value"] == "78")
            let list = try await daemon.send("GET", "\(Self.a)/sysctls").json["sysctls"]
            #expect(list?[key] == "78")
            #expect(list?["net.ipv4.tcp_mem"] == nil && list?["net.ipv4.tcp_fastopen_key"] == nil)
            #expect((list?.object ?? [:]).count > 100)
        }
    }

    @Test("A link's name with a dot, and one that looks like a path, are written as sysctl writes them")
    func links() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.a)
            let path = "\(daemon.home.netnsDirectory)/a"
            let add = ["--net=\(path)", "ip", "link", "add", "eth0.5", "type", "veth", "peer", "name", "..x"]
            try await Command.check("nsenter", add)
            for (link, key) in [("eth0.5", "eth0/5"), ("..x", "//x")] {
                let escaped = key.replacing("/", with: "%2F")
                let resource = "\(Self.a)/sysctls/net.ipv4.conf.\(escaped).forwarding"
                let set = try await daemon.send("PUT", resource, body: #"{"value":"1"}"#)
                #expect(set.status == 200, "\(set.text)")
                #expect(try set.json["key"]?.string == "net.ipv4.conf.\(key).forwarding")
                let cat = ["--net=\(path)", "cat", "/proc/sys/net/ipv4/conf/\(link)/forwarding"]
                #expect(try await Command.check("nsenter", cat).text == "1\n")
                let prefix = "net.ipv4.conf.\(escaped)."
                let list = try await daemon.send("GET", "\(Self.a)/sysctls?prefix=\(prefix)").json["sysctls"]
                #expect(list?["net.ipv4.conf.\(key).forwarding"] == "1")
                let keys = (list?.object ?? [:]).keys
                #expect(keys.count > 10 && keys.allSatisfy { $0.hasPrefix("net.ipv4.conf.\(key).") })
            }
        }
    }

    static let refused: [(key: String, value: String, status: Int, problem: String)] = [
        ("net.ipv4.none", "1", 404, "sysctl-not-found"),
        ("net.ipv4.conf", "1", 404, "sysctl-not-found"),
        ("net.ipv4.tcp_mem", "1 2 3", 404, "sysctl-not-found"),
        ("net.ipv4.ip_forward.x", "1", 404, "sysctl-not-found"),
        ("net.ipv4.tcp_allowed_congestion_control", "reno", 403, "sysctl-not-allowed"),
        ("net.ipv4.route.flush", "1", 403, "sysctl-not-allowed"),
        ("net.netfilter.nf_hooks_lwtunnel", "0", 403, "sysctl-not-allowed"),
        ("net.core.rmem_max", "1", 403, "sysctl-not-allowed"),
        ("net.nf_conntrack_max", "1", 403, "sysctl-not-allowed"),
        ("kernel.hostname", "x", 400, "invalid-name"),
        ("net.ipv4.%2F%2F.%2F%2F.kernel.hostname", "x", 400, "invalid-name"),
        ("net..ipv4", "x", 400, "invalid-name"),
        ("net%2Fipv4%2Fip_forward", "x", 400, "invalid-name"),
        ("net.ipv4.a%FFb", "x", 400, "invalid-name"),
        ("net.ipv4.ip_forward", "x", 422, "invalid-field"),
        ("net.ipv4.ip_forward", "1 2", 422, "invalid-field"),
        ("net.ipv4.tcp_congestion_control", "none", 422, "invalid-field"),
    ]

    @Test("What is not allowed, not there or not a value is refused, and changes nothing")
    func refusals() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.a)
            let before = try await daemon.send("GET", "\(Self.a)/sysctls").json
            for (key, value, status, problem) in Self.refused {
                let response = try await daemon.send(
                    "PUT", "\(Self.a)/sysctls/\(key)", body: "{\"value\":\"\(value)\"}")
                #expect(response.status == status && response.problem == problem, "\(key): \(response.text)")
                if status == 422 {
                    #expect(try response.json["field"] == "value")
                    #expect(try response.json["errno"]?.int != nil)
                }
            }
            let bodies = [
                "{}", "[]", #"{"value":1}"#, #"{"value":null}"#, #"{"value":"1\n2"}"#, #"{"value":"1","x":1}"#,
                "{\"value\":\"\(String(repeating: "1", count: 4096))\"}",
            ]
            for body in bodies {
                #expect(try await daemon.send("PUT", Self.forwarding, body: body).problem == "invalid-field", "\(body)")
            }
            #expect(try await daemon.send("PUT", Self.forwarding, body: "{").problem == "malformed-json")
            let text = try await daemon.send("PUT", Self.forwarding, body: #"{"value":"1"}"#, type: "text/plain")
            #expect(text.problem == "unsupported-media-type")
            #expect(try await daemon.send("GET", "\(Self.a)/sysctls").json == before)

            for key in ["net.ipv4.tcp_fastopen_key", "net.core.rmem_max", "net.ipv4.route.flush"] {
                #expect(try await daemon.send("GET", "\(Self.a)/sysctls/\(key)").problem == "sysctl-not-allowed")
            }
            #expect(try await daemon.send("GET", "\(Self.a)/sysctls/net.ipv4").status == 403)
            #expect(try await daemon.send("GET", "\(Self.a)/sysctls/net.ipv4.").problem == "invalid-name")
            #expect(try await daemon.send("GET", "\(Self.a)/sysctls?x=1").problem == "invalid-parameter")
            #expect(try await daemon.send("GET", "\(Self.a)/sysctls?prefix=none").json == ["sysctls": .object([:])])
            #expect(try await daemon.send("DELETE", Self.forwarding).status == 405)
            #expect(try await daemon.send("POST", "\(Self.a)/sysctls").status == 405)

            try await Command.check("touch", [daemon.home.netnsDirectory + "/stale"])
            let value = #"{"value":"1"}"#
            for (name, problem) in [("none", "namespace-not-found"), ("stale", "namespace-stale")] {
                let list = "/v1/namespaces/\(name)/sysctls"
                #expect(try await daemon.send("GET", list).problem == problem)
                #expect(try await daemon.send("GET", list + "/net.ipv4.ip_forward").problem == problem)
                #expect(try await daemon.send("PUT", list + "/net.ipv4.ip_forward", body: value).problem == problem)
            }
        }
    }

    @Test("In a name for the host's own namespace sysctls are read, and not set")
    func hostsOwn() async throws {
        try await withDaemon { daemon in
            let body = "{\"name\":\"host\",\"from\":{\"pid\":\(daemon.pid)}}"
            #expect(try await daemon.send("POST", "/v1/namespaces", body: body).status == 201)
            let key = "net.ipv4.ip_default_ttl"
            let resource = "/v1/namespaces/host/sysctls/\(key)"
            let before = try Self.host(key)
            #expect(try await daemon.send("GET", resource).json["value"]?.string == before)
            let isFirst = FileManager.default.fileExists(atPath: "/proc/sys/net/core/devconf_inherit_init_net")
            if isFirst {
                let set = try await daemon.send("PUT", resource, body: #"{"value":"78"}"#)
                #expect(set.problem == "sysctl-not-allowed")
                #expect(try Self.host(key) == before)
            }
        }
    }

    @Test("Patterns from flags or the environment are the only ones", arguments: [false, true])
    func configured(byEnvironment: Bool) async throws {
        try await withHome { home in
            let flags = ["--sysctl", "net.ipv4.ip_*", "--sysctl", "net.core.somaxconn"]
            let daemon = try await Daemon(
                home: home, arguments: byEnvironment ? [] : flags,
                environment: byEnvironment ? ["NETNSD_SYSCTLS": "net.ipv4.ip_*, net.core.somaxconn"] : [:])
            do {
                try await daemon.send("PUT", Self.a)
                let keys = try await daemon.send("GET", "\(Self.a)/sysctls").json["sysctls"]?.object?.keys ?? [:].keys
                #expect(keys.contains("net.ipv4.ip_forward") && keys.contains("net.core.somaxconn"))
                #expect(keys.allSatisfy { $0.hasPrefix("net.ipv4.ip_") || $0 == "net.core.somaxconn" })
                #expect(try await daemon.send("GET", Self.forwarding).status == 200)
                let other = try await daemon.send("GET", "\(Self.a)/sysctls/net.ipv6.conf.all.forwarding")
                #expect(other.problem == "sysctl-not-allowed")
                try await daemon.kill()
            } catch {
                try? await daemon.kill()
                throw error
            }
        }
    }
}
