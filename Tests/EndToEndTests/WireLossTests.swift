import Foundation
import TestSupport
import Testing

@Suite("Wires that go", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct WireLossTests {
    private func withWire(_ body: @Sendable (Daemon, EventCollector) async throws -> Void) async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b", "c"])
            let events = try await daemon.collectEvents()
            try await daemon.expect(201, "POST", "/v1/wires", WireTests.body(addresses: WireTests.addresses))
            try await daemon.expect(201, "POST", "/v1/wires", WireTests.body("other", a: "b", b: "c", ends: ("p", "q")))
            let made = try await events.first { $0.type == "wire-created" }
            #expect(try made.json["wire"]?["a"] == ["namespace": "a", "link": "x"])
            #expect(try made.json["wire"]?["b"] == ["namespace": "b", "link": "y"])
            try await body(daemon, events)
        }
    }

    /// The wire `w` is not there any more, and the other one is.
    private func expectGone(_ daemon: Daemon, _ events: EventCollector, other: String, _ link: String) async throws {
        try await events.first { event in
            event.type == "wire-deleted" && (try? event.json)?["wire"]?["id"] == "w"
        }
        #expect(try await daemon.problem("GET", "/v1/wires/w") == "wire-not-found")
        #expect(try await daemon.problem("DELETE", "/v1/wires/w") == "wire-not-found")
        try await eventually(within: 10, "the other end is gone") {
            try await !daemon.home.ipLinks(other).contains(link)
        }
        #expect(!daemon.home.wireRecords.contains("w.json"))
    }

    @Test("A deleted namespace takes its wires with it, and says so", arguments: [("a", "b", "y"), ("b", "a", "x")])
    func deleted(_ name: String, other: String, link: String) async throws {
        try await withWire { daemon, events in
            try await daemon.expect(204, "DELETE", "/v1/namespaces/\(name)")
            // Not sometime later: the namespace may be kept alive by somebody.
            #expect(try await !daemon.home.ipLinks(other).contains(link))
            try await expectGone(daemon, events, other: other, link)
            let left = try await daemon.expect(200, "GET", "/v1/wires")["wires"]?.array ?? []
            #expect(left.compactMap { $0["id"]?.string } == (name == "a" ? ["other"] : []))
            try await daemon.expect(201, "PUT", "/v1/namespaces/\(name)")
            try await daemon.expect(201, "POST", "/v1/wires", WireTests.body())
        }
    }

    @Test("A namespace that another tool deletes takes its wires with it, and says so")
    func deletedByOthers() async throws {
        try await withWire { daemon, events in
            try await daemon.home.removeExternal("a")
            try await expectGone(daemon, events, other: "b", "y")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/other")["state"] == "up")
        }
    }

    @Test("A namespace that is not deleted keeps its wires")
    func kept() async throws {
        try await withWire { daemon, _ in
            let inside = try ChildProcess(
                ["nsenter", "--net=\(daemon.home.netnsDirectory)/a", "sleep", "60"], log: daemon.home.root + "/sleep")
            defer { inside.kill(9) }
            try await eventually(within: 10, "a process is inside") {
                let processes = try await daemon.expect(200, "GET", "/v1/namespaces/a/processes")["processes"]
                return processes?.array?.isEmpty == false
            }
            #expect(try await daemon.problem("DELETE", "/v1/namespaces/a?ifUnused=true") == "namespace-in-use")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "up")
            #expect(try await daemon.home.inside("a", "ping", ["-c", "1", "-W", "5", "10.0.0.2"]).status == 0)
            // The process keeps the namespace alive, and not the wire.
            try await daemon.expect(204, "DELETE", "/v1/namespaces/a")
            #expect(try await !daemon.home.ipLinks("b").contains("y"))
        }
    }

    @Test("A wire whose link somebody else took is broken, and can still be deleted", arguments: ["a", "b"])
    func broken(_ name: String) async throws {
        try await withWire { daemon, events in
            let link = name == "a" ? "x" : "y"
            try await daemon.home.ip(name, "link del \(link)")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "broken")
            let listed = try await daemon.expect(200, "GET", "/v1/wires?namespace=a")["wires"]?.array
            #expect(listed?.first?["state"] == "broken")
            let patch = #"{"impairment":{"aToB":{"rateBitsPerSecond":1000000}}}"#
            #expect(try await daemon.problem("PATCH", "/v1/wires/w", patch) == "link-not-found")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["impairment"]?["aToB"] == .null)
            // What has its name since is not its own.
            try await daemon.home.ip(name, "link add \(link) type ifb")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "broken")
            try await daemon.expect(204, "DELETE", "/v1/wires/w")
            try await events.first { $0.type == "wire-deleted" }
            #expect(try await daemon.home.ipLinks(name).contains(link))
            #expect(daemon.home.wireRecords == ["other.json"])
            #expect(try await daemon.problem("DELETE", "/v1/wires/w") == "wire-not-found")
        }
    }

    @Test("A link that is down is told of, and so is a link that was moved away")
    func changed() async throws {
        try await withWire { daemon, _ in
            try await daemon.expect(200, "PATCH", "/v1/namespaces/b/links/y", #"{"up":false}"#)
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "down")
            try await daemon.expect(200, "PATCH", "/v1/namespaces/b/links/y", #"{"up":true}"#)
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "up")
            try await daemon.home.ip("a", "link set x netns \(daemon.home.netnsDirectory)/c")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "broken")
            // By the end that is where it was.
            try await daemon.expect(204, "DELETE", "/v1/wires/w")
            #expect(try await !daemon.home.ipLinks("c").contains("x"))
        }
    }

    @Test("A wire that went while no daemon was there is not shown by the next")
    func goneMeanwhile() async throws {
        try await withHome { home in
            try await withDaemon(in: home) { daemon in
                try await daemon.makeNamespaces(["a", "b", "c"])
                for (id, b) in [("w1", "b"), ("w2", "c"), ("w3", "b")] {
                    try await daemon.expect(201, "POST", "/v1/wires", WireTests.body(id, b: b, ends: (id, id)))
                }
            }
            try await home.ip("a", "link del w1")
            try await home.removeExternal("c")
            try "{".write(toFile: home.stateDirectory + "/wires/w4.json", atomically: false, encoding: .utf8)
            try await withDaemon(in: home) { daemon in
                let left = try await daemon.expect(200, "GET", "/v1/wires")["wires"]?.array ?? []
                #expect(left.compactMap { $0["id"]?.string } == ["w3"])
                #expect(home.wireRecords == ["w3.json", "w4.json.unreadable"])
                #expect(daemon.log.contains("set aside"))
                #expect(try await home.ipLinks("a").sorted() == ["lo", "w3"])
            }
        }
    }
}
