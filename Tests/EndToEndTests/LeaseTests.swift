import Foundation
import TestSupport
import Testing

@Suite("Leases", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct LeaseTests {
    private static let a = "/v1/namespaces/a"

    @Test("Whole seconds are taken however a client writes the number")
    func wholeNumbers() async throws {
        try await withDaemon { daemon in
            for text in ["60", "60.0", "6e1"] {
                let created = try await daemon.send("POST", "/v1/namespaces", body: "{\"leaseSeconds\":\(text)}")
                #expect(created.status == 201)
                #expect(try created.json["lease"]?["seconds"] == 60)
            }
        }
    }

    @Test("A namespace whose lease has ended is deleted, and an event says so")
    func expires() async throws {
        try await withDaemon { daemon in
            let events = try await daemon.collectEvents()
            let begin = ContinuousClock.now
            let created = try await daemon.send("PUT", Self.a, body: #"{"leaseSeconds":1}"#).json
            #expect(created["lease"]?["seconds"] == 1)
            let expired = try await events.first("expired", "a", within: 3)
            let age = expired.arrived - begin
            #expect(age >= .seconds(1), "\(age)")
            #expect(age <= .seconds(2), "\(age)")
            #expect(try expired.json["namespace"] == .null)
            #expect(try await daemon.send("GET", Self.a).status == 404)
            #expect(daemon.home.names.isEmpty)
            #expect(daemon.home.records.isEmpty)
            #expect(events.events.map(\.type) == ["created", "expired"])
        }
    }

    @Test("A lease that is renewed begins anew, each time")
    func renew() async throws {
        try await withDaemon { daemon in
            let events = try await daemon.collectEvents()
            var last = try await daemon.send("PUT", Self.a, body: #"{"leaseSeconds":2}"#)
            for _ in 0..<3 {
                try await Task.sleep(for: .milliseconds(1000))
                let renewed = try await daemon.send("POST", Self.a + "/renew")
                #expect(renewed.status == 200)
                #expect(try renewed.json["lease"]?["seconds"] == 2)
                let (before, after) = (try expiry(of: last), try expiry(of: renewed))
                #expect((0.9...1.9).contains(after.timeIntervalSince(before)))
                #expect(renewed.headers["etag"] != last.headers["etag"])
                last = renewed
            }
            let begin = ContinuousClock.now
            let expired = try await events.first("expired", "a", within: 4)
            #expect(expired.arrived - begin >= .milliseconds(1500))
            #expect(events.events.map(\.type) == ["created", "updated", "updated", "updated", "expired"])
            #expect(try await daemon.send("POST", Self.a + "/renew").problem == "namespace-not-found")
        }
    }

    @Test("lease: null pins a namespace, and a lease can be given later")
    func pin() async throws {
        try await withDaemon { daemon in
            let events = try await daemon.collectEvents()
            try await daemon.send("PUT", Self.a, body: #"{"leaseSeconds":1}"#)
            let pinned = try await daemon.send("PATCH", Self.a, body: #"{"lease":null}"#)
            #expect(try pinned.json["lease"] == .null)
            #expect(try await daemon.send("POST", Self.a + "/renew").problem == "no-lease")
            try await Task.sleep(for: .milliseconds(1500))
            #expect(try await daemon.send("GET", Self.a).status == 200)
            let begin = ContinuousClock.now
            let leased = try await daemon.send("PATCH", Self.a, body: #"{"lease":{"seconds":1}}"#)
            #expect(try leased.json["lease"]?["seconds"] == 1)
            let expired = try await events.first("expired", "a", within: 3)
            #expect((.seconds(1) ... .seconds(2)).contains(expired.arrived - begin))
        }
    }

    @Test("A lease that was made longer or shorter ends at its new time")
    func changed() async throws {
        try await withDaemon { daemon in
            let events = try await daemon.collectEvents()
            try await daemon.send("PUT", Self.a, body: #"{"leaseSeconds":1}"#)
            try await daemon.send("PUT", "/v1/namespaces/b", body: #"{"leaseSeconds":600}"#)
            try await daemon.send("PATCH", Self.a, body: #"{"lease":{"seconds":600}}"#)
            try await daemon.send("PATCH", "/v1/namespaces/b", body: #"{"lease":{"seconds":1}}"#)
            try await events.first("expired", "b", within: 2)
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await daemon.send("GET", Self.a).status == 200)
            try await daemon.send("DELETE", Self.a)
            // A name made again has nothing of the lease before.
            #expect(try await daemon.send("PUT", Self.a).json["lease"] == .null)
        }
    }

    @Test("expiresAt is as many seconds after the creation as the lease has")
    func expiresAt() async throws {
        try await withDaemon { daemon in
            let created = try await daemon.send("PUT", Self.a, body: #"{"leaseSeconds":3600}"#)
            let createdAt = try time(try #require(try created.json["createdAt"]?.string))
            let seconds = try expiry(of: created).timeIntervalSince(createdAt)
            #expect(abs(seconds - 3600) < 1, "\(seconds)")
        }
    }

    @Test("Over kill -9 and a restart, the time that is left counts from the record")
    func restart() async throws {
        try await withHome { home in
            let begin = try await withDaemon(in: home) { daemon in
                let begin = ContinuousClock.now
                try await daemon.send("PUT", Self.a, body: #"{"leaseSeconds":3}"#)
                try await daemon.send("PUT", "/v1/namespaces/b", body: #"{"leaseSeconds":1}"#)
                try await Task.sleep(until: begin + .milliseconds(900))
                return begin
            }
            try await Task.sleep(until: begin + .milliseconds(1200))
            try await withDaemon(in: home) { daemon in
                let events = try await daemon.collectEvents()
                try await Task.sleep(until: begin + .seconds(2))
                #expect(try await daemon.send("GET", Self.a).status == 200)
                // It ended while no daemon was there.
                #expect(try await daemon.send("GET", "/v1/namespaces/b").status == 404)
                let expired = try await events.first("expired", "a", within: 4)
                let age = expired.arrived - begin
                #expect((.seconds(3) ... .milliseconds(4500)).contains(age), "\(age)")
                #expect(home.names.isEmpty)
                #expect(home.records.isEmpty)
            }
        }
    }

    private func expiry(of response: HTTPResponse) throws -> Date {
        try time(try #require(try response.json["lease"]?["expiresAt"]?.string))
    }

    private func time(_ text: String) throws -> Date {
        try Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
