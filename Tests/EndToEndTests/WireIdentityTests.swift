import Foundation
import TestSupport
import Testing

/// Which links are a wire's, whatever they are called, and which are somebody else's.
@Suite("Which links are a wire's", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct WireIdentityTests {
    private let rate = #"{"impairment":{"aToB":{"rateBitsPerSecond":1000000}}}"#

    /// The wire `w` between `a` and `b`, with `c` beside them.
    private func withWire(_ body: (Daemon) async throws -> Void) async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b", "c"])
            try await daemon.expect(201, "POST", "/v1/wires", WireTests.body())
            try await body(daemon)
        }
    }

    private func index(_ home: DaemonHome, _ name: String, _ link: String) async throws -> Int {
        try #require(try await home.ipLink(name, link)?["ifindex"]?.int)
    }

    /// Takes the wire's links away, and makes others of their names.
    private func replaceLinks(_ home: DaemonHome) async throws {
        try await home.ip("a", "link del x")
        try await home.ip("a", "link add x type veth peer name y netns \(home.netnsDirectory)/b")
        try await home.ip("a", "link set x up")
        try await home.ip("b", "link set y up")
    }

    private func expectForeign(_ daemon: Daemon) async throws {
        #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "broken")
        #expect(try await daemon.problem("PATCH", "/v1/wires/w", rate) == "link-not-found")
        #expect(try await daemon.home.queueDisciplines("a", "x").first?["kind"] == "noqueue")
    }

    private func expectKept(_ home: DaemonHome) async throws {
        #expect(try await home.ipLinks("a").sorted() == ["lo", "x"])
        #expect(try await home.ipLinks("b").sorted() == ["lo", "y"])
        #expect(home.wireRecords.isEmpty)
    }

    @Test("A pair of the same names that came later is neither impaired nor deleted with the wire")
    func replaced() async throws {
        try await withWire { daemon in
            try await replaceLinks(daemon.home)
            try await expectForeign(daemon)
            try await daemon.expect(204, "DELETE", "/v1/wires/w")
            try await expectKept(daemon.home)
        }
    }

    @Test("Nor when it came, or is found, by another daemon's time")
    func replacedMeanwhile() async throws {
        try await withHome { home in
            try await withDaemon(in: home) { daemon in
                try await daemon.makeNamespaces(["a", "b"])
                try await daemon.expect(201, "POST", "/v1/wires", WireTests.body())
            }
            try await withDaemon(in: home) { daemon in
                #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "up")
                try await daemon.expect(200, "PATCH", "/v1/wires/w", rate)
                #expect(try await home.queueDisciplines("a", "x").first?["kind"] == "tbf")
            }
            try await replaceLinks(home)
            // Nothing is left of it, which the next start finds.
            try await withDaemon(in: home) { daemon in
                #expect(try await daemon.expect(200, "GET", "/v1/wires")["total"] == 0)
                try await expectKept(home)
                #expect(try await daemon.problem("POST", "/v1/wires", WireTests.body()) == "link-taken")
            }
        }
    }

    @Test("Nor one that brought the index along", arguments: ["a", "b"])
    func sameIndex(_ name: String) async throws {
        try await withWire { daemon in
            let home = daemon.home
            let link = name == "a" ? "x" : "y"
            let number = try await index(home, name, link)
            try await home.ip("a", "link del x")
            try await home.ip("c", "link add \(link) index \(number) type veth peer name far index 99")
            try await home.ip("c", "link set \(link) netns \(home.netnsDirectory)/\(name)")
            #expect(try await index(home, name, link) == number, "the kernel keeps a number that is free")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "broken")
            #expect(try await daemon.problem("PATCH", "/v1/wires/w", rate) == "link-not-found")
            try await daemon.expect(204, "DELETE", "/v1/wires/w")
            #expect(try await home.ipLinks(name).contains(link))
            #expect(try await home.ipLinks("c").contains("far"))
        }
    }

    @Test("Renamed and with other MAC addresses, a wire's links are still its own, with either namespace left")
    func renamed() async throws {
        for deletion in ["/v1/wires/w", "/v1/namespaces/a", "/v1/namespaces/b"] {
            try await withWire { daemon in
                let home = daemon.home
                for (name, link) in [("a", "x"), ("b", "y")] {
                    let mac = #"{"mac":"02:00:00:00:00:77"}"#
                    try await daemon.expect(200, "PATCH", "/v1/namespaces/\(name)/links/\(link)", mac)
                }
                #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "up")
                try await daemon.expect(200, "PATCH", "/v1/wires/w", rate)
                try await home.ip("a", "link set x down")
                try await home.ip("a", "link set x name z")
                #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "broken")
                try await daemon.expect(204, "DELETE", deletion)
                for name in home.names { #expect(try await home.ipLinks(name) == ["lo"], "\(deletion), \(name)") }
                #expect(home.wireRecords.isEmpty)
            }
        }
    }

    @Test("A pair of a wire's names that came after its beginning was interrupted is not undone with it")
    func interrupted() async throws {
        try await withHome { home in
            try await withDaemon(in: home) { daemon in try await daemon.makeNamespaces(["a", "b"]) }
            let daemon = try await Daemon(home: home, environment: ["NETNSD_CRASH_AT": "wire-unmade"])
            do {
                #expect((try? await daemon.send("POST", "/v1/wires", body: WireTests.body())) == nil)
                #expect(try await daemon.end(seconds: 10) == 128 + SIGKILL)
            } catch {
                try? await daemon.kill()
                throw error
            }
            #expect(home.wireRecords == ["w.making"])
            try await home.ip("a", "link add x type veth peer name y netns \(home.netnsDirectory)/b")
            try await withDaemon(in: home) { daemon in
                #expect(try await daemon.expect(200, "GET", "/v1/wires")["total"] == 0)
                try await expectKept(home)
            }
        }
    }
}
