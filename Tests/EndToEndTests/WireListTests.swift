import TestSupport
import Testing

@Suite("The list of wires", .tags(.endToEnd), .serialized, .timeLimit(.minutes(1)))
struct WireListTests {
    @Test("It tells of each wire what the kernel says, and of those of one namespace alone")
    func states() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b", "c"])
            for (id, a, b) in [("up", "a", "b"), ("down", "b", "c"), ("broken", "c", "a"), ("own", "c", "c")] {
                let body = WireTests.body(id, a: a, b: b, ends: (id, id + "2"))
                try await daemon.expect(201, "POST", "/v1/wires", body)
            }
            try await daemon.home.ip("c", "link set down2 down")
            try await daemon.home.ip("a", "link set broken2 name other")

            func states(_ query: String = "") async throws -> [String: String] {
                let wires = try await daemon.expect(200, "GET", "/v1/wires" + query)["wires"]?.array ?? []
                let pairs = wires.compactMap { wire in
                    wire["id"]?.string.flatMap { id in wire["state"]?.string.map { (id, $0) } }
                }
                return Dictionary(pairs) { first, _ in first }
            }
            let all = ["up": "up", "down": "down", "broken": "broken", "own": "up"]
            #expect(try await states() == all)
            for (id, state) in all {
                #expect(try await daemon.expect(200, "GET", "/v1/wires/\(id)")["state"]?.string == state)
            }
            #expect(try await states("?namespace=a") == ["up": "up", "broken": "broken"])
            #expect(try await states("?namespace=c") == ["down": "down", "broken": "broken", "own": "up"])
            // A link of that name that is no wire's end.
            try await daemon.home.ip("b", "link delete up2")
            try await daemon.home.ip("b", "link add up2 type bridge")
            #expect(try await states("?namespace=b") == ["up": "broken", "down": "down"])
        }
    }
}
