import Foundation
import TestSupport
import Testing

@Suite("Admission", .tags(.endToEnd), .timeLimit(.minutes(5)))
struct AdmissionTests {
    private static let collection = "/v1/namespaces"

    /// Makes `count` namespaces at once, and answers the statuses and how long it took.
    private func creates(_ count: Int, by daemon: Daemon) async throws -> (statuses: [Int], seconds: Double) {
        let endpoint = try daemon.endpoint()
        let connections = try await offload {
            Connections(
                try (0..<count).map { _ in
                    let connection = try RawConnection(endpoint)
                    _ = try connection.exchange("GET", "/healthz")
                    return connection
                })
        }
        let start = ContinuousClock.now
        return try await offload {
            for connection in connections.all { try connection.send("POST", Self.collection) }
            let responses = try connections.all.map { try $0.response() }
            for response in responses { try daemon.validate("POST", Self.collection, response) }
            return (responses.map(\.status), (ContinuousClock.now - start) / .seconds(1))
        }
    }

    /// `@unchecked Sendable`: handed from one thread to the next, which starts when the first has ended.
    private struct Connections: @unchecked Sendable {
        let all: [RawConnection]
        init(_ all: [RawConnection]) { self.all = all }
    }

    @Test("Of many creates at once as many succeed as the quota has room for, not one more or less")
    func quota() async throws {
        try await withDaemon(arguments: ["--max-namespaces-per-principal", "10"]) { daemon in
            let statuses = try await creates(60, by: daemon).statuses
            #expect(statuses.count { $0 == 201 } == 10)
            #expect(statuses.count { $0 == 429 } == 50)
            #expect(daemon.home.names.count == 10)
            let refused = try await daemon.send("POST", Self.collection)
            #expect(refused.problem == "quota-reached")
            #expect(refused.headers["retry-after"] == "10")
            // A PUT of what is there needs room as one of what is not does: it is not known before.
            for name in daemon.home.names.prefix(3) {
                #expect(try await daemon.send("DELETE", "\(Self.collection)/\(name)").status == 204)
            }
            let four = #"{"items":[{},{},{},{}]}"#
            #expect(try await daemon.send("POST", Self.collection + ":batch", body: four).problem == "quota-reached")
            #expect(daemon.home.names.count == 7)
            let three = #"{"items":[{},{"name":"a"},{"name":"b"}]}"#
            #expect(try await daemon.send("POST", Self.collection + ":batch", body: three).status == 200)
            #expect(try await daemon.send("PUT", Self.collection + "/c").problem == "quota-reached")
            #expect(try await daemon.send("DELETE", Self.collection + "/a").status == 204)
            // One that fails gives its room back.
            for _ in 0..<3 {
                let taken = try await daemon.send("POST", Self.collection, body: #"{"name":"b"}"#)
                #expect(taken.problem == "name-taken")
            }
            #expect(try await daemon.send("PUT", Self.collection + "/c").status == 201)
        }
    }

    @Test("What a principal has is known after a restart")
    func quotaAfterRestart() async throws {
        let limit = ["--max-namespaces-per-principal", "2"]
        try await withHome { home in
            try await withDaemon(in: home, arguments: limit) { daemon in
                for _ in 0..<2 {
                    let answer = try await daemon.send("POST", Self.collection)
                    #expect(answer.status == 201)
                }
            }
            try await withDaemon(in: home, arguments: limit) { daemon in
                let answer = try await daemon.send("POST", Self.collection)
                #expect(answer.problem == "quota-reached")
            }
        }
    }

    @Test("A principal has so many wires and no more, whatever becomes of them and of the daemon")
    func wires() async throws {
        let limit = ["--max-wires-per-principal", "3"]
        func statuses(_ ids: [String], _ daemon: Daemon) async throws -> [Int] {
            try await withThrowingTaskGroup(of: Int.self) { group in
                for id in ids {
                    group.addTask {
                        try await daemon.send("POST", "/v1/wires", body: WireTests.body(id, ends: (id, id))).status
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }.sorted()
            }
        }
        try await withHome { home in
            try await withDaemon(in: home, arguments: limit) { daemon in
                try await daemon.makeNamespaces(["a", "b"])
                #expect(try await statuses(["w1", "w2", "w3", "w4", "w5"], daemon) == [201, 201, 201, 429, 429])
                let refused = try await daemon.send("POST", "/v1/wires", body: WireTests.body("x"))
                #expect(refused.problem == "quota-reached" && refused.headers["retry-after"] == "10")
                let ids = try await daemon.expect(200, "GET", "/v1/wires")["wires"]?.array?.compactMap {
                    $0["id"]?.string
                }
                try await daemon.expect(204, "DELETE", "/v1/wires/\(try #require(ids?.first))")
                // One that cannot be made takes no room.
                for _ in 0..<4 {
                    let problem = try await daemon.problem("POST", "/v1/wires", WireTests.body("x", b: "none"))
                    #expect(problem == "namespace-not-found")
                }
                #expect(try await statuses(["x"], daemon) == [201])
            }
            try await withDaemon(in: home, arguments: limit) { daemon in
                #expect(try await statuses(["y"], daemon) == [429])
                try await daemon.expect(204, "DELETE", "/v1/namespaces/b")
                try await daemon.makeNamespaces(["b"])
                #expect(try await statuses(["w1", "w2", "w3", "w4"], daemon) == [201, 201, 201, 429])
            }
        }
    }

    @Test("Creates are limited to a burst and then to a rate, also when many come at once")
    func rate() async throws {
        let limits = ["--max-creations-per-second", "1", "--max-creation-burst", "5"]
        try await withDaemon(arguments: limits) { daemon in
            let (statuses, seconds) = try await creates(40, by: daemon)
            let made = statuses.count { $0 == 201 }
            #expect((5...(5 + Int(seconds))).contains(made), "\(made) in \(seconds) s")
            #expect(statuses.count { $0 == 429 } == 40 - made)
            let refused = try await daemon.send("POST", Self.collection)
            if refused.status == 429 {
                #expect(refused.problem == "rate-limited")
                let wait = try #require(refused.headers["retry-after"].flatMap { Int($0) })
                #expect((1...2).contains(wait))
                try await Task.sleep(for: .seconds(wait))
            }
            #expect(try await daemon.send("POST", Self.collection).status == 201)
            #expect(try await daemon.send("GET", Self.collection).status == 200)
        }
    }

    @Test(
        "A PUT of what is there takes nothing of the rate",
        arguments: [[], ["--max-namespaces-per-principal", "0"]])
    func ensured(quota: [String]) async throws {
        let limits = ["--max-creations-per-second", "1", "--max-creation-burst", "2"]
        try await withDaemon(arguments: limits + quota) { daemon in
            var statuses: [Int] = []
            for _ in 0..<20 { statuses.append(try await daemon.send("PUT", Self.collection + "/a").status) }
            #expect(statuses == [201] + Array(repeating: 200, count: 19))
        }
    }

    @Test("A create that was too much at the time is made when it is retried with its key")
    func retry() async throws {
        let limits = ["--max-creations-per-second", "1", "--max-creation-burst", "1"]
        try await withDaemon(arguments: limits) { daemon in
            var answers: [HTTPResponse] = []
            for number in 0..<4 {
                let key = ["Idempotency-Key: k\(number)"]
                let answer = try await daemon.send("POST", Self.collection, headers: key)
                answers.append(answer)
                guard answer.status == 429 else { continue }
                try await Task.sleep(for: .seconds(try #require(answer.headers["retry-after"].flatMap { Int($0) })))
                let again = try await daemon.send("POST", Self.collection, headers: key)
                #expect(again.status == 201, "\(again.text)")
                #expect(again.headers["idempotent-replayed"] == nil)
            }
            #expect(answers.contains { $0.status == 429 })
        }
    }

    @Test("Changes beyond what are made at once are answered 503, and reading goes on")
    func mutations() async throws {
        try await withDaemon(arguments: ["--max-mutations", "1"]) { daemon in
            let items = String(repeating: "{},", count: 999) + "{}"
            let (endpoint, home) = (try daemon.endpoint(), daemon.home)
            let answer = try await offload {
                let (batch, other) = (try RawConnection(endpoint), try RawConnection(endpoint))
                try batch.send("POST", Self.collection + ":batch", body: #"{"items":[\#(items)]}"#)
                let start = ContinuousClock.now
                while home.names.isEmpty, ContinuousClock.now - start < .seconds(20) {
                    Thread.sleep(forTimeInterval: 0.001)
                }
                let answer = try other.exchange("POST", Self.collection)
                #expect(try other.exchange("GET", "/healthz").status == 200)
                #expect(try batch.response().status == 200)
                return answer
            }
            #expect(answer.problem == "overloaded")
            try daemon.validate("POST", Self.collection, answer)
            #expect(try await daemon.send("POST", Self.collection).status == 201)
        }
    }
}
