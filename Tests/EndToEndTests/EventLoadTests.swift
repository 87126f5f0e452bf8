import Foundation
import TestSupport
import Testing

@Suite("Events under load", .tags(.endToEnd), .serialized, .timeLimit(.minutes(5)))
struct EventLoadTests {
    private static let collection = "/v1/namespaces"
    private static let names = (0..<10).map { "n\($0)" }

    @Test("20 readers see all of 2,000 changes once and in order; one that stops reading is cut off")
    func readers() async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            let begin = try #require(try await daemon.send("GET", Self.collection).json["revision"]?.int)
            let stalled = Task.detached { try await offload { try StalledReader(endpoint) } }
            let reader = try await stalled.value
            let readers = (0..<20).map { _ in
                Task.detached {
                    try await offload {
                        try EventReader(endpoint, path: "/v1/events?since=\(begin)", validator: nil).take(2000)
                    }
                }
            }
            try await change(2000, on: daemon)
            var seen: [[StreamEvent]] = []
            for reader in readers { seen.append(try await reader.value) }
            let first = try #require(seen.first).map(\.text)
            for events in seen {
                #expect(events.map(\.text) == first)
                #expect(zip(events, events.dropFirst()).allSatisfy { $0.revision < $1.revision })
            }
            try expectWhole(try #require(seen.first))

            // More than the ring and the socket's buffers hold: who has not read them by then never can.
            try await change(6000, on: daemon)
            #expect(try await daemon.send("GET", "/v1/events?since=\(begin)").problem == "revision-gone")
            let newest = try #require(try await daemon.send("GET", Self.collection).json["revision"]?.int)
            let revisions = try await offload { try reader.rest(before: newest) }
            let expected = try #require(seen.first).map(\.revision)
            #expect(revisions.count < 8000)
            #expect(Array(revisions.prefix(2000)) == Array(expected.prefix(revisions.count)), "what came was in order")
            #expect(try Resources.residentMemory(pid: daemon.pid) < 100 << 20)
        }
    }

    @Test("An event is there within 50 ms of the 201, with 20 other readers too", arguments: [0, 20])
    func latency(others: Int) async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            let idle = (0..<others).map { _ in
                Task.detached {
                    try await offload {
                        _ = try EventReader(endpoint, validator: nil).take(100)
                    }
                }
            }
            try await Task.sleep(for: .milliseconds(500))
            let events = try await daemon.collectEvents()
            let answered = try await offload {
                let connection = try RawConnection(endpoint)
                return try (0..<100).map { index in
                    let body = "{\"name\":\"n\(index)\"}"
                    let status = try connection.exchange("POST", Self.collection, body: body).status
                    let now = ContinuousClock.now
                    guard status == 201 else { throw TestFailure("\(status)") }
                    Thread.sleep(forTimeInterval: 0.01)
                    return now
                }
            }
            try await events.first("created", "n99")
            for reader in idle { _ = try await reader.value }
            let delays = zip(events.events, answered).map { $0.arrived - $1 }.sorted()
            #expect(delays.count == 100)
            print("event after 201, \(others) other readers: median \(delays[50]), largest \(delays[99])")
            #expect(delays[99] < .milliseconds(50))
        }
    }

    /// Makes `count` changes, in parallel: each name is created, updated again and again, and deleted.
    private func change(_ count: Int, on daemon: Daemon) async throws {
        let endpoint = try daemon.endpoint()
        let updates = count / Self.names.count - 2
        try await withThrowingTaskGroup(of: Void.self) { group in
            for name in Self.names {
                group.addTask {
                    try await offload {
                        let connection = try RawConnection(endpoint)
                        let path = Self.collection + "/" + name
                        var statuses = [try connection.exchange("PUT", path, body: #"{"loopback":"down"}"#).status]
                        for index in 0..<updates {
                            let body = #"{"labels":{"count":"\#(index)"}}"#
                            statuses.append(try connection.exchange("PATCH", path, body: body).status)
                        }
                        statuses.append(try connection.exchange("DELETE", path).status)
                        let expected = [201] + Array(repeating: 200, count: updates) + [204]
                        guard statuses == expected else { throw TestFailure("\(Set(statuses))") }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Of each name the creation, every update and the deletion, in order.
    private func expectWhole(_ events: [StreamEvent]) throws {
        for name in Self.names {
            let own = events.filter { $0.name == name }
            let updates = own.count - 2
            #expect(own.map(\.type) == ["created"] + Array(repeating: "updated", count: updates) + ["deleted"])
            let counts = try own.dropFirst().dropLast().map { try $0.json["namespace"]?["labels"]?["count"]?.string }
            #expect(counts == (0..<updates).map(String.init))
        }
        #expect(events.count == 2000)
    }
}

/// Opens a stream and reads nothing more until it is asked to.
private final class StalledReader: Sendable {
    // Only one thread at a time: it is made on one, and handed to another when that has ended.
    nonisolated(unsafe) private let reader: EventReader

    init(_ endpoint: Endpoint) throws {
        reader = try EventReader(endpoint, validator: nil)
    }

    /// The revisions up to the end of the stream, which must come before the newest.
    func rest(before newest: Int) throws -> [Int] {
        var revisions: [Int] = []
        while let event = try reader.next() {
            revisions.append(event.revision)
            if event.revision >= newest { throw TestFailure("not cut off after \(revisions.count) events") }
        }
        return revisions
    }
}
