import TestSupport
import Testing

@Suite("Impaired wires", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct ImpairmentTests {
    private func withWire(_ more: String, _ body: @Sendable (Daemon) async throws -> Void) async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b"])
            try await daemon.expect(201, "POST", "/v1/wires", WireTests.body(addresses: WireTests.addresses, more))
            try await body(daemon)
        }
    }

    private func kinds(_ daemon: Daemon, _ name: String, _ link: String) async throws -> [String] {
        try await daemon.home.queueDisciplines(name, link).compactMap { $0["kind"]?.string }
    }

    @Test("A rate is kept within 10 %, in its direction alone", arguments: ["10.0.0.2", "fd00::2"])
    func rate(_ address: String) async throws {
        let rate = 20_000_000.0
        try await withWire(#","impairment":{"aToB":{"rateBitsPerSecond":20000000}}"#) { daemon in
            #expect(try await kinds(daemon, "a", "x") == ["tbf"])
            #expect(try await kinds(daemon, "b", "y") == ["noqueue"])
            var measured: [Double] = []
            // Others share the machine's processors.
            for _ in 0..<3 {
                measured.append(try await daemon.home.throughput(from: "a", to: "b", address, seconds: 2.5))
                if measured.contains(where: { abs($0 / rate - 1) <= 0.1 }) { break }
            }
            #expect(measured.contains { abs($0 / rate - 1) <= 0.1 }, "\(measured)")
            #expect(measured.allSatisfy { $0 < rate * 1.1 }, "\(measured)")
            let back = address.contains(":") ? "fd00::1" : "10.0.0.1"
            #expect(try await daemon.home.throughput(from: "b", to: "a", back, seconds: 0.5) > rate * 2)
        }
    }

    @Test("A wire is impaired, otherwise impaired and set free while it is there")
    func changed() async throws {
        try await withWire("") { daemon in
            let path = "/v1/wires/w"
            let events = try await daemon.collectEvents()
            let one = #"{"impairment":{"bToA":{"rateBitsPerSecond":1000000,"burstBytes":20000}}}"#
            let changed = try await daemon.expect(200, "PATCH", path, one)
            #expect(changed["impairment"]?["bToA"] == ["rateBitsPerSecond": 1_000_000, "burstBytes": 20_000])
            #expect(changed["impairment"]?["aToB"] == .null)
            try await events.first { $0.type == "wire-changed" }
            #expect(try await kinds(daemon, "a", "x") == ["noqueue"])
            let options = try await daemon.home.queueDisciplines("b", "y").first?["options"]
            #expect(options?["rate"] == 125_000)
            #expect(options?["burst"]?.int.map { abs($0 - 20_000) < 100 } == true, "\(options ?? .null)")

            // The direction that is not told of stays as it is, and so do both without any.
            try await daemon.expect(200, "PATCH", path, #"{"impairment":{"aToB":{"rateBitsPerSecond":2000000}}}"#)
            try await daemon.expect(200, "PATCH", path, "{}")
            try await daemon.expect(200, "PATCH", path, #"{"impairment":{}}"#)
            let both = try await daemon.expect(200, "GET", path)["impairment"]
            #expect(both?["aToB"]?["rateBitsPerSecond"] == 2_000_000)
            #expect(both?["bToA"]?["rateBitsPerSecond"] == 1_000_000)
            #expect(try await daemon.home.queueDisciplines("a", "x").first?["options"]?["rate"] == 250_000)
            #expect(try await daemon.home.queueDisciplines("b", "y").first?["options"]?["rate"] == 125_000)

            try await daemon.expect(200, "PATCH", path, #"{"impairment":{"bToA":null}}"#)
            #expect(try await kinds(daemon, "a", "x") == ["tbf"])
            #expect(try await kinds(daemon, "b", "y") == ["noqueue"])
            let free = try await daemon.expect(200, "PATCH", path, #"{"impairment":null}"#)
            #expect(free["impairment"] == ["aToB": .null, "bToA": .null])
            #expect(try await kinds(daemon, "a", "x") == ["noqueue"])
            try await daemon.expect(200, "PATCH", path, #"{"impairment":null}"#)
            for body in [
                "", "{", #"{"mtu":1400}"#, #"{"impairment":{"aToB":{"burstBytes":2000}}}"#, #"{"impairment":5}"#,
            ] {
                let response = try await daemon.send("PATCH", path, body: body)
                #expect([400, 422].contains(response.status), "\(body)")
            }
        }
    }

    @Test("An impairment outlives the daemon, and is as it was when a restart shows it")
    func restarted() async throws {
        try await withHome { home in
            let before = try await withDaemon(in: home) { daemon in
                try await daemon.makeNamespaces(["a", "b"])
                let more = #","impairment":{"aToB":{"rateBitsPerSecond":1000000},"bToA":{"rateBitsPerSecond":8}}"#
                return try await daemon.expect(
                    201, "POST", "/v1/wires", WireTests.body(addresses: WireTests.addresses, more))
            }
            try await withDaemon(in: home) { daemon in
                #expect(try await daemon.expect(200, "GET", "/v1/wires/w") == before)
                try await daemon.expect(200, "PATCH", "/v1/wires/w", #"{"impairment":{"bToA":null}}"#)
            }
            try await withDaemon(in: home) { daemon in
                let impairment = try await daemon.expect(200, "GET", "/v1/wires/w")["impairment"]
                #expect(impairment?["aToB"] == ["rateBitsPerSecond": 1_000_000])
                #expect(impairment?["bToA"] == .null)
                try await daemon.expect(204, "DELETE", "/v1/wires/w")
            }
        }
    }

    @Test("What takes netem is done where the kernel has it; else it is 501, and changes nothing")
    func emulation() async throws {
        let hasNetem = try await kernelHasNetem()
        try await withWire(#","impairment":{"aToB":{"rateBitsPerSecond":1000000}}"#) { daemon in
            let before = try await daemon.expect(200, "GET", "/v1/wires/w")
            let body = """
                {"impairment":{"aToB":{"rateBitsPerSecond":5000000},
                "bToA":{"rateBitsPerSecond":2000000,"delayMicroseconds":1000,"lossPercent":0.5}}}
                """
            let response = try await daemon.send("PATCH", "/v1/wires/w", body: body)
            if hasNetem {
                #expect(response.status == 200, "\(response.text)")
                #expect(try await kinds(daemon, "b", "y").contains("netem"))
                #expect(try await daemon.home.inside("a", "ping", ["-c", "5", "-W", "5", "10.0.0.2"]).status == 0)
                return
            }
            #expect(response.status == 501, "\(response.text)")
            #expect(response.problem == "not-supported")
            #expect(response.text.contains("netem"), "\(response.text)")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w") == before)
            #expect(try await daemon.home.queueDisciplines("a", "x").first?["options"]?["rate"] == 125_000)
            #expect(try await kinds(daemon, "b", "y") == ["noqueue"])
            for value in ["delayMicroseconds\":1", "lossPercent\":1", "duplicatePercent\":1", "corruptPercent\":1"] {
                let more = ",\"impairment\":{\"bToA\":{\"\(value)}}"
                let made = try await daemon.send("POST", "/v1/wires", body: WireTests.body("n", ends: ("p", "q"), more))
                #expect(made.status == 501, "\(made.text)")
                #expect(try await daemon.home.ipLinks("a").sorted() == ["lo", "x"])
                #expect(daemon.home.wireRecords == ["w.json"])
            }
        }
    }
}
