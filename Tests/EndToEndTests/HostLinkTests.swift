import Foundation
import LinuxKit
import TestSupport
import Testing

/// Links of the host, for which a network namespace stands that outlives the daemon: it runs there, and what is left of a
/// failed test goes with it.
@Suite("Links of the host", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct HostLinkTests {
    private static let links = "/v1/namespaces/a/links"
    private static let borrow = #"{"name":"eth0","fromHost":"h0"}"#

    private struct Host: Sendable {
        let home: DaemonHome
        private let holder: ChildProcess

        /// With the links `h0` and its peer `h1`.
        static func running(_ body: (Host) async throws -> Void) async throws {
            try await withHome { home in
                let holder = try ChildProcess(["unshare", "--net", "sleep", "600"], log: home.root + "/holder")
                do {
                    let host = Host(home: home, holder: holder)
                    let own = try await Command.check("readlink", ["/proc/self/ns/net"]).text
                    try await eventually(within: 10, "the host's namespace") {
                        let its = try await Command.run("readlink", ["/proc/\(holder.pid)/ns/net"])
                        return its.status == 0 && its.text != own
                    }
                    try await host.ip("link add h0 address 02:00:00:00:00:70 type veth peer name h1")
                    try await body(host)
                } catch {
                    holder.kill(SIGKILL)
                    throw error
                }
                holder.kill(SIGKILL)
                _ = try await holder.wait(seconds: 10)
            }
        }

        private var entry: [String] { ["nsenter", "--net=/proc/\(holder.pid)/ns/net"] }

        func start(arguments: [String] = [], environment: [String: String] = [:]) async throws -> Daemon {
            try await Daemon(
                home: home, arguments: arguments, launcher: entry + ["unshare", "--fork", "--kill-child"],
                environment: environment)
        }

        /// Runs `body` with a daemon, and kills that.
        func withDaemon(arguments: [String] = [], _ body: (Daemon) async throws -> Void) async throws {
            let daemon = try await start(arguments: arguments)
            do { try await body(daemon) } catch {
                try? await daemon.kill()
                throw TestFailure("\(error)\n\(daemon.log.suffix(4000))")
            }
            try await daemon.kill()
        }

        func ip(_ arguments: String) async throws {
            let words = entry + ["ip"] + arguments.split(separator: " ").map(String.init)
            _ = try await Command.check(words[0], Array(words.dropFirst()))
        }

        /// A link as ip(8) sees it in the host; nil where it sees none.
        func link(_ name: String) async throws -> JSONValue? {
            let words = entry + ["ip", "-j", "-d", "link"]
            let text = try await Command.check(words[0], Array(words.dropFirst())).output
            return try JSONValue(parsing: text).array?.first { $0["ifname"]?.string == name }
        }

        var records: [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: home.stateDirectory + "/borrowed")) ?? []).sorted()
        }

        /// `h0` is back as it was, and nothing is kept of it.
        func expectBack(_ context: String = "") async throws {
            #expect(try await link("h0")?["address"] == "02:00:00:00:00:70", "\(context)")
            #expect(records.isEmpty, "\(context)")
        }
    }

    @Test("A link is moved in with all that is said of it, is told apart, and returns when it is deleted")
    func moved() async throws {
        try await Host.running { host in
            try await host.withDaemon { daemon in
                try await daemon.makeNamespaces(["a"])
                try await daemon.expect(201, "POST", Self.links, #"{"name":"br0","kind":"bridge"}"#)
                let body = """
                    {"name":"eth0","fromHost":"h0","up":true,"mtu":1400,"alias":"uplink","master":"br0",
                    "addresses":["10.0.0.1/24","fd00::1/64"]}
                    """
                let response = try await daemon.send("POST", Self.links, body: body)
                #expect(response.status == 201, "\(response.text)")
                #expect(response.headers["location"] == Self.links + "/eth0")
                let made = try response.json
                #expect(made["kind"] == "veth")
                #expect(made["peer"]?["host"] == .bool(true) && made["peer"]?["link"] == "h1")
                let seen = try #require(try await host.home.ipLink("a", "eth0"))
                #expect(seen["address"] == "02:00:00:00:00:70" && seen["mtu"] == 1400)
                #expect(seen["master"] == "br0" && seen["ifalias"] == "uplink")
                #expect(seen["flags"]?.array?.contains("UP") == true)
                let addresses = try await host.home.ipJSON("a", "-4 addr show dev eth0").first?["addr_info"]
                #expect(addresses?[0]?["local"] == "10.0.0.1")
                #expect(try await host.link("h0") == nil)
                #expect(host.records == ["h0.json"])
                try await daemon.expect(204, "DELETE", Self.links + "/eth0")
                try await host.expectBack()
                #expect(try await daemon.problem("DELETE", Self.links + "/eth0") == "link-not-found")
                // Under its own name where no other is said, and as often as one likes.
                try await daemon.expect(201, "POST", Self.links, #"{"fromHost":"h0"}"#)
                #expect(try await host.home.ipLinks("a").contains("h0"))
                try await daemon.expect(204, "DELETE", Self.links + "/h0")
                try await host.expectBack()
            }
        }
    }

    @Test("It returns under its old name when the namespace is deleted, whatever it is called there and who is inside")
    func deleted() async throws {
        try await Host.running { host in
            try await host.withDaemon { daemon in
                try await daemon.makeNamespaces(["a", "b"])
                try await daemon.expect(201, "POST", Self.links, Self.borrow)
                try await host.ip("link add h2 type veth peer name h3")
                try await daemon.expect(201, "POST", Self.links, #"{"name":"eth1","fromHost":"h2"}"#)
                #expect(host.records == ["h0.json", "h2.json"])
                try await daemon.expect(200, "PATCH", Self.links + "/eth0", #"{"name":"renamed"}"#)
                // What is called so now is not the host's.
                try await host.home.ip("a", "link add eth0 type veth peer name eth9")
                let inside = try ChildProcess(
                    ["nsenter", "--net=\(host.home.netnsDirectory)/a", "sleep", "60"], log: host.home.root + "/sleep")
                defer { inside.kill(SIGKILL) }
                try await daemon.expect(204, "DELETE", "/v1/namespaces/a")
                try await host.expectBack()
                #expect(try await host.link("h2") != nil)
                #expect(try await host.link("eth0") == nil)
                #expect(try await host.link("renamed") == nil)
            }
        }
    }

    @Test("After kill -9 and a restart it is still the host's, and returns")
    func killed() async throws {
        try await Host.running { host in
            try await host.withDaemon { daemon in
                try await daemon.makeNamespaces(["a", "b"])
                try await daemon.expect(201, "POST", Self.links, Self.borrow)
                try await host.ip("link add h2 type veth peer name h3")
                try await daemon.expect(201, "POST", "/v1/namespaces/b/links", #"{"name":"eth0","fromHost":"h2"}"#)
            }
            try await host.home.ip("a", "link set eth0 name other")
            // A namespace that somebody takes away meanwhile takes a veth with it.
            try await host.home.removeExternal("b")
            try await eventually(within: 10, "its link goes") { try await host.link("h3") == nil }
            try await host.withDaemon { daemon in
                #expect(host.records == ["h0.json"])
                try await daemon.expect(204, "DELETE", "/v1/namespaces/a")
                try await host.expectBack()
            }
        }
    }

    @Test("A lease that ends while the daemon is down gives it back, and takes the wires away")
    func leaseEnded() async throws {
        try await Host.running { host in
            try await host.withDaemon { daemon in
                try await daemon.makeNamespaces(["b"])
                try await daemon.expect(201, "PUT", "/v1/namespaces/a", #"{"leaseSeconds":2}"#)
                try await daemon.expect(201, "POST", Self.links, Self.borrow)
                try await daemon.expect(201, "POST", "/v1/wires", Self.wire)
            }
            try await Task.sleep(for: .seconds(2.5))
            try await host.withDaemon { daemon in
                try await eventually(within: 10, "the lease's end") {
                    try await daemon.send("GET", "/v1/namespaces/a").status == 404
                }
                try await host.expectBack()
                #expect(try await daemon.expect(200, "GET", "/v1/wires")["total"] == 0)
                #expect(try await host.home.ipLinks("b") == ["lo"])
            }
        }
    }

    private static let wire = #"{"id":"w","a":{"namespace":"a","link":"w0"},"b":{"namespace":"b","link":"w0"}}"#

    @Test("Where another link has its old name, nothing goes, until that is out of the way")
    func taken() async throws {
        try await Host.running { host in
            try await host.withDaemon { daemon in
                try await daemon.makeNamespaces(["a", "b"])
                try await daemon.expect(201, "POST", Self.links, Self.borrow)
                try await daemon.expect(201, "POST", "/v1/wires", Self.wire)
                try await host.ip("link add h0 type veth peer name h5")
                for path in [Self.links + "/eth0", "/v1/namespaces/a"] {
                    let answer = try await daemon.send("DELETE", path)
                    #expect(answer.status == 409 && answer.problem == "link-taken", "\(answer.text)")
                    #expect(try answer.json["detail"]?.string?.contains("another link h0") == true, "\(answer.text)")
                }
                // Nor can that one be moved: two would return under one name.
                #expect(try await daemon.problem("POST", "/v1/namespaces/b/links", Self.borrow) == "link-taken")
                #expect(try await host.home.ipLinks("a").contains("eth0"))
                #expect(host.records == ["h0.json"])
                #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "up")
                try await host.ip("link set h0 name out-of-the-way")
                try await daemon.expect(204, "DELETE", "/v1/namespaces/a")
                try await host.expectBack()
            }
        }
    }

    @Test("What cannot be moved, or not be made what was asked for, stays in the host")
    func refused() async throws {
        try await Host.running { host in
            try await host.withDaemon { daemon in
                try await daemon.makeNamespaces(["a"])
                try await host.home.ip("a", "link add p type veth peer name q")
                let bodies: [(body: String, status: Int, problem: String)] = [
                    (#"{"name":"eth0","fromHost":"none"}"#, 404, "link-not-found"),
                    (#"{"name":"eth0","fromHost":"lo"}"#, 422, "refused-by-kernel"),
                    (#"{"name":"p","fromHost":"h0"}"#, 409, "link-taken"),
                    (#"{"name":"eth0","fromHost":"h0","master":"none"}"#, 404, "link-not-found"),
                    (
                        #"{"name":"eth0","fromHost":"h0","addresses":["10.0.0.1/24","ff02::7/64"]}"#, 422,
                        "refused-by-kernel"
                    ),
                    (#"{"name":"eth0","fromHost":"h0","kind":"veth"}"#, 422, "invalid-field"),
                ]
                for (body, status, problem) in bodies {
                    let answer = try await daemon.send("POST", Self.links, body: body)
                    #expect(answer.status == status && answer.problem == problem, "\(body): \(answer.text)")
                    try await host.expectBack(body)
                    #expect(try await host.home.ipLinks("a").sorted() == ["lo", "p", "q"], "\(body)")
                }
                #expect(
                    try await daemon.problem("POST", "/v1/namespaces/b/links", Self.borrow) == "namespace-not-found")
                try await host.expectBack()
            }
        }
    }

    @Test("Only an administrator may reach into the host")
    func forbidden() async throws {
        try await Host.running { host in
            try await host.withDaemon(arguments: [
                "--socket-mode", "666", "--peer", "uid:65002=operator", "--peer", "uid:0=admin",
            ]) { daemon in
                let operating = Presenter.user(65002)
                #expect(try await operating.send("PUT", "/v1/namespaces/a", to: daemon).status == 201)
                let peer = #"{"name":"v0","kind":"veth","peer":{"name":"v1","host":true}}"#
                for body in [Self.borrow, peer] {
                    let answer = try await operating.send("POST", Self.links, body: body, to: daemon)
                    #expect(answer.status == 403, "\(answer.text)")
                    #expect(try answer.json["right"] == "host", "\(answer.text)")
                }
                try await host.expectBack()
                #expect(try await host.home.ipLinks("a") == ["lo"])
                // Once an administrator has moved it, it is given back with the operator's own namespace.
                try await daemon.expect(201, "POST", Self.links, Self.borrow)
                #expect(try await operating.send("DELETE", "/v1/namespaces/a", to: daemon).status == 204)
                try await host.expectBack()
            }
        }
    }

    @Test("Two who want the same link: one gets it, and it is known whose it is after a restart")
    func race() async throws {
        try await Host.running { host in
            for _ in 0..<5 {
                try await host.withDaemon { daemon in
                    for name in ["a", "b"] { try await daemon.send("PUT", "/v1/namespaces/\(name)") }
                    async let first = daemon.send("POST", "/v1/namespaces/a/links", body: Self.borrow)
                    async let second = daemon.send("POST", "/v1/namespaces/b/links", body: Self.borrow)
                    let answers = try await [first, second]
                    #expect(answers.map(\.status).filter { $0 == 201 }.count == 1, "\(answers.map(\.text))")
                    let problem = answers.compactMap(\.problem)
                    #expect(problem == ["link-taken"] || problem == ["link-not-found"])
                    #expect(host.records == ["h0.json"])
                }
                try await host.withDaemon { daemon in
                    for name in ["a", "b"] { try await daemon.expect(204, "DELETE", "/v1/namespaces/\(name)") }
                    try await host.expectBack()
                }
            }
        }
    }

    @Test(
        "Killed on the way, it is in the host after the next start",
        arguments: [CrashPoint.hostLinkUnmoved, .hostLinkMoved])
    func interrupted(_ point: CrashPoint) async throws {
        try await Host.running { host in
            try await host.withDaemon { daemon in try await daemon.makeNamespaces(["a"]) }
            let daemon = try await host.start(environment: ["NETNSD_CRASH_AT": point.rawValue])
            do {
                let body = #"{"name":"eth0","fromHost":"h0","mac":"02:00:00:00:00:71","up":true}"#
                #expect((try? await daemon.send("POST", Self.links, body: body)) == nil)
                _ = try await daemon.end(seconds: 10)
            } catch {
                try? await daemon.kill()
                throw error
            }
            #expect(host.records == ["h0.json"])
            #expect(try await (host.link("h0") == nil) == (point == .hostLinkMoved))
            if point == .hostLinkUnmoved {
                // It would have been refused, and what has the name is not the host's.
                try await host.home.ip("a", "link add eth0 type veth peer name eth9")
            }
            try await host.withDaemon { daemon in
                try await host.expectBack()
                let left = point == .hostLinkMoved ? ["lo"] : ["eth0", "eth9", "lo"]
                #expect(try await host.home.ipLinks("a").sorted() == left)
                try await daemon.expect(204, "DELETE", "/v1/namespaces/a")
                #expect(try await host.link("eth0") == nil)
                try await host.expectBack()
            }
        }
    }
}
