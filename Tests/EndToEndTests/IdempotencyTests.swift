import Foundation
import TestSupport
import Testing

@Suite("Idempotency keys", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct IdempotencyTests {
    private static let collection = "/v1/namespaces"
    private static let key = ["Idempotency-Key: 6f1e0c1a-58f4"]

    @Test("The same key with the same body gets the first answer again")
    func replay() async throws {
        try await withDaemon { daemon in
            let body = #"{"namePrefix":"job","labels":{"team":"net"}}"#
            let first = try await daemon.send("POST", Self.collection, body: body, headers: Self.key)
            #expect(first.status == 201)
            #expect(first.headers["idempotent-replayed"] == nil)
            for _ in 0..<2 {
                let again = try await daemon.send("POST", Self.collection, body: body, headers: Self.key)
                try expect(again, toBe: first)
                #expect(again.headers["x-request-id"] != first.headers["x-request-id"])
            }
            let other = try await daemon.send("POST", Self.collection, body: body, headers: ["Idempotency-Key: b"])
            #expect(other.status == 201)
            #expect(other.body != first.body)
            #expect(daemon.home.names.count == 2)
        }
    }

    @Test("The same key with another body or path is refused, and changes nothing")
    func reused() async throws {
        try await withDaemon { daemon in
            let first = try await daemon.send("POST", Self.collection, body: #"{"name":"a"}"#, headers: Self.key)
            let others = [
                (Self.collection, #"{"name":"b"}"#), (Self.collection, #"{"name":"a","loopback":"up"}"#),
                (Self.collection, nil), (Self.collection + ":batch", #"{"items":[{}]}"#),
            ]
            for (path, body) in others {
                let response = try await daemon.send("POST", path, body: body, headers: Self.key)
                #expect(response.problem == "idempotency-key-reused", "\(path) \(body ?? "")")
            }
            #expect(daemon.home.names == ["a"])
            let again = try await daemon.send("POST", Self.collection, body: #"{"name":"a"}"#, headers: Self.key)
            try expect(again, toBe: first)
        }
    }

    @Test("A refusal is kept where the work had begun, and not where the request was wrong")
    func refusals() async throws {
        try await withDaemon { daemon in
            let body = #"{"name":"a"}"#
            try await daemon.send("PUT", Self.collection + "/a")
            let taken = try await daemon.send("POST", Self.collection, body: body, headers: Self.key)
            #expect(taken.problem == "name-taken")
            try await daemon.send("DELETE", Self.collection + "/a")
            let again = try await daemon.send("POST", Self.collection, body: body, headers: Self.key)
            try expect(again, toBe: taken)
            #expect(daemon.home.names.isEmpty)

            let key = ["Idempotency-Key: other"]
            let wrong = [
                (#"{"name":"-"}"#, "application/json", 422), ("{", "application/json", 400), (body, "text/plain", 415),
                (String(repeating: " ", count: 65537), "application/json", 413),
            ]
            for (wrong, type, status) in wrong {
                let response = try await daemon.send("POST", Self.collection, body: wrong, type: type, headers: key)
                #expect(response.status == status)
            }
            let right = try await daemon.send("POST", Self.collection, body: body, headers: key)
            #expect(right.status == 201)
            #expect(right.headers["idempotent-replayed"] == nil)
        }
    }

    @Test("A key that cannot be one is refused")
    func malformed() async throws {
        try await withDaemon { daemon in
            let longest = String(repeating: "k", count: 255)
            for key in ["a b", "é", longest + "k"] {
                let response = try await daemon.send("POST", Self.collection, headers: ["Idempotency-Key: \(key)"])
                #expect(response.problem == "invalid-parameter", "\(key)")
                #expect(try response.json["field"] == "Idempotency-Key", "\(key)")
            }
            #expect(daemon.home.names.isEmpty)
            let longestOne = try await daemon.send(
                "POST", Self.collection, headers: ["Idempotency-Key: \(longest)"])
            #expect(longestOne.status == 201)
        }
    }

    @Test("Of many requests at once with one key, one makes a namespace; the others get its answer or try again")
    func atOnce() async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            let responses = try await offload {
                let connections = try (0..<40).map { _ in try RawConnection(endpoint) }
                for connection in connections {
                    try connection.send("POST", Self.collection, body: "{}", headers: Self.key)
                }
                return try connections.map { try $0.response() }
            }
            for response in responses { try daemon.validate("POST", Self.collection, response) }
            let made = responses.filter { $0.status == 201 }
            #expect(!made.isEmpty)
            #expect(Set(made.map(\.body)).count == 1)
            #expect(made.count { $0.headers["idempotent-replayed"] == nil } == 1)
            let others = responses.filter { $0.status != 201 }
            #expect(others.allSatisfy { $0.problem == "idempotency-in-progress" && $0.headers["retry-after"] == "1" })
            #expect(daemon.home.names.count == 1)
            let late = try await daemon.send("POST", Self.collection, body: "{}", headers: Self.key)
            #expect(late.body == made.first?.body)
        }
    }

    @Test("Answers are kept over kill -9 and a restart, and over the deletion of what was made")
    func restart() async throws {
        try await withHome { home in
            let batch = #"{"items":[{"name":"x"},{"name":"y"},{"name":"a"}]}"#
            let batchKey = ["Idempotency-Key: batch"]
            let (first, firstBatch) = try await withDaemon(in: home) { daemon in
                let first = try await daemon.send("POST", Self.collection, body: #"{"name":"a"}"#, headers: Self.key)
                let batch = try await daemon.send("POST", Self.collection + ":batch", body: batch, headers: batchKey)
                #expect(try batch.json["results"]?.array?.compactMap { $0["status"]?.int } == [201, 201, 409])
                return (first, batch)
            }
            try await withDaemon(in: home) { daemon in
                let again = try await daemon.send("POST", Self.collection, body: #"{"name":"a"}"#, headers: Self.key)
                try expect(again, toBe: first)
                let other = try await daemon.send("POST", Self.collection, body: #"{"name":"b"}"#, headers: Self.key)
                #expect(other.problem == "idempotency-key-reused")
                let path = Self.collection + ":batch"
                try expect(try await daemon.send("POST", path, body: batch, headers: batchKey), toBe: firstBatch)
                try await daemon.send("DELETE", Self.collection + "/a")
                let deleted = try await daemon.send("POST", Self.collection, body: #"{"name":"a"}"#, headers: Self.key)
                try expect(deleted, toBe: first)
                #expect(home.names == ["x", "y"])
            }
        }
    }

    private func expect(_ response: HTTPResponse, toBe first: HTTPResponse) throws {
        #expect(response.status == first.status)
        #expect(response.body == first.body)
        #expect(response.headers["location"] == first.headers["location"])
        #expect(response.headers["etag"] == first.headers["etag"])
        #expect(response.headers["content-type"] == first.headers["content-type"])
        #expect(response.headers["idempotent-replayed"] == "true")
    }
}
