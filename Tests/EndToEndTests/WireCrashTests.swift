import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("Wires across restarts", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct WireCrashTests {
    private static let names = ["a", "b", "c", "d"]

    /// What the clients know: of each wire whether it is there, nil while they cannot know.
    private final class Knowledge: Sendable {
        let wires = Mutex<[String: Bool?]>([:])

        func set(_ id: String, _ isThere: Bool?) { wires.withLock { $0[id] = .some(isThere) } }
    }

    @Test("After kill -9 while wires are made and deleted, those acknowledged are there, and nothing half made is")
    func killed() async throws {
        try await withHome { home in
            let known = Knowledge()
            for delay in [40, 130, 75, 210, 20] {
                let daemon = try await Daemon(home: home)
                do {
                    try await check(daemon, known)
                    try await load(daemon, known, for: .milliseconds(delay))
                } catch {
                    try? await daemon.kill()
                    throw TestFailure("\(error)\n\(daemon.log.suffix(4000))")
                }
            }
            try await withDaemon(in: home) { daemon in
                try await check(daemon, known)
                for name in Self.names { try await daemon.expect(204, "DELETE", "/v1/namespaces/\(name)") }
                #expect(home.wireRecords.isEmpty)
            }
        }
    }

    /// Makes and deletes wires from two clients until the daemon is killed under them.
    private func load(_ daemon: Daemon, _ known: Knowledge, for delay: Duration) async throws {
        for name in Self.names { try await daemon.send("PUT", "/v1/namespaces/\(name)") }
        let endpoint = try daemon.endpoint()
        let round = known.wires.withLock { $0.count }
        let clients = (0..<2).map { client in
            Task.detached {
                try? await offload {
                    let connection = try RawConnection(endpoint)
                    for number in 0..<5000 {
                        let id = "w\(round)-\(client)-\(number)"
                        let (a, b) = (Self.names[number % 4], Self.names[(number + 1 + client) % 4])
                        let link = "\(client)-\(round)-\(number)"
                        let body = WireTests.body(
                            id, a: a, b: b, ends: ("a\(link)", "b\(link)"), addresses: WireTests.addresses)
                        known.set(id, nil)
                        guard try connection.exchange("POST", "/v1/wires", body: body).status == 201 else {
                            throw TestFailure("not made")
                        }
                        known.set(id, true)
                        guard number % 3 != 0 else { continue }
                        known.set(id, nil)
                        guard try connection.exchange("DELETE", "/v1/wires/\(id)").status == 204 else {
                            throw TestFailure("not deleted")
                        }
                        known.set(id, false)
                    }
                }
            }
        }
        // From the first wire on, or a slow machine would be killed before it began.
        try await eventually(within: 20, "the first wire") {
            known.wires.withLock { $0.keys.contains { $0.hasPrefix("w\(round)-0-1") } }
        }
        try await Task.sleep(for: delay)
        try await daemon.kill()
        for client in clients { await client.value }
    }

    private func check(_ daemon: Daemon, _ known: Knowledge) async throws {
        let wires = try await daemon.expect(200, "GET", "/v1/wires?limit=1000")["wires"]?.array ?? []
        let ids = Set(wires.compactMap { $0["id"]?.string })
        let expected = known.wires.withLock { $0 }
        for (id, isThere) in expected where isThere != nil {
            #expect(ids.contains(id) == isThere, "\(id) was \(isThere == true ? "made" : "deleted")")
        }
        #expect(ids.isSubset(of: expected.keys))
        #expect(wires.allSatisfy { $0["state"] == "up" }, "\(wires.filter { $0["state"] != "up" })")
        #expect(daemon.home.wireRecords == ids.map { $0 + ".json" }.sorted())
        for name in daemon.home.names {
            let links = wires.flatMap { wire in
                ["a", "b"].compactMap { wire[$0]?["namespace"]?.string == name ? wire[$0]?["link"]?.string : nil }
            }
            #expect(try await daemon.home.ipLinks(name).sorted() == (links + ["lo"]).sorted())
        }
        // What was unknown is known now.
        for (id, isThere) in expected where isThere == nil { known.set(id, ids.contains(id)) }
    }

    @Test("A wire that would have been refused, and was not told so, takes nothing of the one that is there with it")
    func interrupted() async throws {
        try await withHome { home in
            try await withDaemon(in: home) { daemon in
                try await daemon.makeNamespaces(["a", "b"])
                try await daemon.expect(201, "POST", "/v1/wires", WireTests.body())
            }
            // A record of one that was begun for the same links: the daemon writes none while they are there.
            let wires = home.stateDirectory + "/wires"
            let record = try String(contentsOfFile: wires + "/w.json", encoding: .utf8)
            let second = record.replacing(#""id":"w""#, with: #""id":"second""#)
            try #require(second != record)
            try second.write(toFile: wires + "/second.making", atomically: false, encoding: .utf8)
            try await withDaemon(in: home, expectOne)
        }
    }

    private func expectOne(_ daemon: Daemon) async throws {
        #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "up")
        #expect(try await daemon.expect(200, "GET", "/v1/wires")["total"] == 1)
        #expect(daemon.home.wireRecords == ["w.json"])
        #expect(try await daemon.problem("POST", "/v1/wires", WireTests.body("second")) == "link-taken")
    }
}
