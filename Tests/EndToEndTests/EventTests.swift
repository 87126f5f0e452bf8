import Foundation
import TestSupport
import Testing

@Suite("Events", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct EventTests {
    private static let collection = "/v1/namespaces"
    private static let a = "/v1/namespaces/a"

    @Test("What requests do is told, in order, with the namespace as it is then")
    func ours() async throws {
        try await withDaemon { daemon in
            let events = try await daemon.collectEvents()
            let created = try await daemon.send("PUT", Self.a, body: #"{"labels":{"team":"net"}}"#).json
            let updated = try await daemon.send("PATCH", Self.a, body: #"{"labels":{"team":"web"}}"#).json
            try await daemon.send("DELETE", Self.a)
            try await events.first("deleted", "a")
            let all = events.events
            #expect(all.map(\.type) == ["created", "updated", "deleted"])
            #expect(all.allSatisfy { $0.name == "a" })
            #expect(try all.map { try $0.json["namespace"] } == [created, updated, .null])
            #expect(zip(all, all.dropFirst()).allSatisfy { $0.revision < $1.revision })
            #expect(try await daemon.send("GET", Self.collection).json["revision"]?.int == all.last?.revision)
        }
    }

    @Test("What others do beside the daemon is told within 200 ms")
    func theirs() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.a)
            let events = try await daemon.collectEvents()
            try await daemon.home.addExternal("ext")
            var done = ContinuousClock.now
            try await events.first("appeared", "ext")
            let ready = try await events.first { event in
                event.name == "ext" && (try? event.json["namespace"]?["state"]) == "ready"
            }
            #expect(ready.arrived - done < .milliseconds(200), "\(ready.arrived - done)")
            #expect(try ready.json["namespace"]?["origin"] == "external")
            #expect(try ready.json["namespace"] == (try await daemon.send("GET", "/v1/namespaces/ext").json))
            for name in ["ext", "a"] {
                try await daemon.home.removeExternal(name)
                done = .now
                let vanished = try await events.first("vanished", name)
                #expect(vanished.arrived - done < .milliseconds(200), "\(vanished.arrived - done)")
                #expect(try await daemon.send("GET", "/v1/namespaces/\(name)").status == 404)
            }
            #expect(daemon.home.records.isEmpty)
            let all = events.events
            #expect(zip(all, all.dropFirst()).allSatisfy { $0.revision < $1.revision })
            #expect(all.allSatisfy { ["appeared", "updated", "vanished"].contains($0.type) }, "\(all.map(\.text))")
        }
    }

    @Test("A create does not appear, and a delete does not vanish")
    func toldOnce() async throws {
        try await withDaemon { daemon in
            let events = try await daemon.collectEvents()
            for index in 0..<50 {
                try await daemon.send("PUT", "\(Self.collection)/n\(index % 5)")
                try await daemon.send("DELETE", "\(Self.collection)/n\(index % 5)")
            }
            try await Task.sleep(for: .milliseconds(500))
            #expect(events.events.count { $0.type == "created" } == 50)
            #expect(events.events.count { $0.type == "deleted" } == 50)
            #expect(events.events.count == 100)
        }
    }

    @Test("A stream resumes after the revision that it is given, by query or by header; the header wins")
    func resume() async throws {
        try await withDaemon { daemon in
            let begin = try #require(try await daemon.send("GET", Self.collection).json["revision"]?.int)
            for index in 0..<5 { try await daemon.send("PUT", "\(Self.collection)/n\(index)") }
            let all = try await daemon.collectEvents("?since=\(begin)")
            try await all.first("created", "n4")
            #expect(all.events.compactMap(\.name) == (0..<5).map { "n\($0)" })
            let middle = all.events[1].revision
            let openings = [
                ("?since=\(middle)", []), ("", ["Last-Event-ID: \(middle)"]),
                ("?since=\(begin)", ["Last-Event-ID: \(middle)"]),
            ]
            for (query, headers) in openings {
                let rest = try await daemon.collectEvents(query, headers: headers)
                try await rest.first("created", "n4")
                #expect(rest.events.map(\.text) == all.events.dropFirst(2).map(\.text), "\(query) \(headers)")
            }
            let fromNowOn = try await daemon.collectEvents()
            try await daemon.send("DELETE", "\(Self.collection)/n0")
            try await fromNowOn.first("deleted", "n0")
            #expect(fromNowOn.events.count == 1)
        }
    }

    @Test("A revision that never was, or of another run, is gone; the answer says where to go on")
    func gone() async throws {
        try await withHome { home in
            let old = try await withDaemon(in: home) { daemon in
                try await daemon.send("PUT", Self.a)
                let revision = try #require(try await daemon.send("GET", Self.collection).json["revision"]?.int)
                for query in ["since=0", "since=1", "since=\(revision + 1)", "since=\(revision + 1)&wait=1"] {
                    try await expectGone("?\(query)", by: daemon)
                }
                let header = try await daemon.send("GET", "/v1/events", headers: ["Last-Event-ID: 1"])
                #expect(header.problem == "revision-gone")
                return revision
            }
            try await withDaemon(in: home) { daemon in
                let revision = try await expectGone("?since=\(old)", by: daemon)
                #expect(revision > old)
                let events = try await daemon.collectEvents("?since=\(revision)")
                try await daemon.send("DELETE", Self.a)
                try await events.first("deleted", "a")
            }
        }
    }

    @discardableResult
    private func expectGone(_ query: String, by daemon: Daemon) async throws -> Int {
        let response = try await daemon.send("GET", "/v1/events\(query)")
        #expect(response.status == 410, "\(query)")
        #expect(response.problem == "revision-gone", "\(query)")
        let revision = try #require(try response.json["revision"]?.int)
        #expect(try await daemon.send("GET", Self.collection).json["revision"]?.int == revision)
        return revision
    }

    @Test("A long poll answers with what there is, else with what comes, else with nothing in time")
    func longPoll() async throws {
        try await withDaemon { daemon in
            let begin = try #require(try await daemon.send("GET", Self.collection).json["revision"]?.int)
            try await daemon.send("PUT", Self.a)
            let there = try await daemon.send("GET", "/v1/events?wait=30&since=\(begin)").json
            #expect(there["events"]?.array?.count == 1)
            #expect(there["events"]?[0]?["type"] == "created")
            let revision = try #require(there["revision"]?.int)
            #expect(there["events"]?[0]?["revision"]?.int == revision)

            let start = ContinuousClock.now
            let none = try await daemon.send("GET", "/v1/events?wait=1&since=\(revision)").json
            #expect(none["events"] == .array([]))
            #expect(none["revision"]?.int == revision)
            #expect((.milliseconds(900) ... .seconds(3)).contains(ContinuousClock.now - start))

            async let waiting = daemon.send("GET", "/v1/events?wait=30&since=\(revision)")
            try await Task.sleep(for: .milliseconds(300))
            try await daemon.send("DELETE", Self.a)
            let came = try await waiting.json
            #expect(came["events"]?.array?.map { $0["type"] } == ["deleted"])
            #expect(ContinuousClock.now - start < .seconds(10))
        }
    }

    @Test("A long poll has at most 256 events, and the next goes on after them")
    func longPollPages() async throws {
        try await withDaemon { daemon in
            let begin = try #require(try await daemon.send("GET", Self.collection).json["revision"]?.int)
            let items = (0..<300).map { "{\"name\":\"n\($0)\",\"loopback\":\"down\"}" }.joined(separator: ",")
            #expect(
                try await daemon.send("POST", Self.collection + ":batch", body: "{\"items\":[\(items)]}").status == 200)
            let first = try await daemon.send("GET", "/v1/events?wait=1&since=\(begin)").json
            #expect(first["events"]?.array?.count == 256)
            let revision = try #require(first["revision"]?.int)
            let second = try await daemon.send("GET", "/v1/events?wait=1&since=\(revision)").json
            #expect(second["events"]?.array?.count == 44)
            let events = (first["events"]?.array ?? []) + (second["events"]?.array ?? [])
            #expect(Set(events.compactMap { $0["name"]?.string }).count == 300)
        }
    }

    @Test("What cannot be asked for is refused by name")
    func refused() async throws {
        try await withDaemon { daemon in
            let queries = [
                "?since=", "?since=x", "?since=-1", "?since=1.5", "?since=1&since=1", "?wait=5", "?wait=0&since=1",
                "?wait=61&since=1", "?wait=x&since=1", "?label=a",
            ]
            for query in queries {
                let response = try await daemon.send("GET", "/v1/events\(query)")
                #expect(response.problem == "invalid-parameter", "\(query): \(response.text)")
            }
            #expect(try await daemon.send("POST", "/v1/events", body: "{}").problem == "method-not-allowed")
        }
    }

    @Test("curl -N prints events as they happen")
    func curl() async throws {
        try await withDaemon { daemon in
            let log = daemon.home.root + "/curl"
            let curl = try ChildProcess(
                ["curl", "-sN", "--unix-socket", daemon.home.socket, "http://localhost/v1/events"], log: log)
            defer { curl.kill(9) }
            let text = { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }
            try await eventually(within: 5, "the first comment") { text() == ": netnsd\n\n" }
            try await daemon.send("PUT", Self.a)
            try await eventually(within: 1, "an event") { text().hasSuffix("}\n\n") }
            #expect(text().contains("\nevent: created\ndata: {\"revision\":"))
        }
    }

    @Test("A reader hears something within 16 s though nothing happens", .timeLimit(.minutes(1)))
    func heartbeat() async throws {
        try await withDaemon { daemon in
            let (endpoint, validator) = (try daemon.endpoint(), ExchangeValidator(try OpenAPIDocument()))
            async let comments = offload {
                let reader = try EventReader(endpoint, validator: validator)
                _ = try reader.take(1)
                return reader.comments
            }
            try await Task.sleep(for: .milliseconds(16500))
            try await daemon.send("PUT", Self.a)
            #expect(try await comments == ["netnsd", "heartbeat"])
        }
    }

    @Test("SIGTERM ends the streams and the long polls, and then the daemon")
    func draining() async throws {
        try await withDaemon { daemon in
            let revision = try #require(try await daemon.send("GET", Self.collection).json["revision"]?.int)
            let events = try await daemon.collectEvents()
            async let waiting = daemon.send("GET", "/v1/events?wait=60&since=\(revision)")
            try await Task.sleep(for: .milliseconds(300))
            let start = ContinuousClock.now
            #expect(try await daemon.stop() == 0)
            #expect(ContinuousClock.now - start < .seconds(10))
            try await events.end()
            #expect([200, 503].contains(try await waiting.status))
        }
    }
}
