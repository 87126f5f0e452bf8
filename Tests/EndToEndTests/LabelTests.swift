import Foundation
import TestSupport
import Testing

@Suite("Labels", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct LabelTests {
    private static let collection = "/v1/namespaces"
    private static let a = "/v1/namespaces/a"
    private static let long = String(repeating: "a", count: 63)

    @Test("Labels and who asked are kept, and shown wherever the namespace is")
    func create() async throws {
        try await withDaemon(tcp: true) { daemon in
            let body = #"{"name":"a","labels":{"team":"net","example.com/job":"","\#(Self.long)":"A.b_c-9"}}"#
            let created = try await daemon.send("POST", Self.collection, body: body)
            #expect(created.status == 201)
            let labels = JSONValue.object(["team": "net", "example.com/job": "", Self.long: "A.b_c-9"])
            #expect(try created.json["labels"] == labels)
            #expect(try created.json["createdBy"]?["uid"] == 0)
            #expect(try created.json["createdBy"]?["principal"] == "uid:0")
            #expect(try created.json["lease"] == .null)
            let shown = try await daemon.send("GET", Self.a)
            #expect(try shown.json == created.json)
            #expect(shown.headers["etag"] == created.headers["etag"])
            #expect(try await daemon.send("GET", Self.collection).json["namespaces"]?[0] == created.json)
            let other = try await daemon.send("POST", Self.collection, body: #"{"name":"b"}"#, over: .tcp).json
            #expect(other["labels"] == .object([:]))
            #expect(other["createdBy"]?["uid"] == .null)
            #expect(other["createdBy"]?["principal"] == "address:127.0.0.1")
        }
    }

    static let refused: [(body: String, field: String)] =
        [
            "-a", "a-", "", "a b", "/a", "a/", "a/b/c", "Example.com/a", "a..b/c", "é", long + "a",
            String(repeating: "a", count: 254) + "/a",
        ].map { (#"{"labels":{"\#($0)":"x"}}"#, "labels.\($0)") }
        + ["-", "a b", "a/b", "é", long + "a"].map { (#"{"labels":{"team":"\#($0)"}}"#, "labels.team") }
        + [
            (#"{"labels":{"team":1}}"#, "labels.team"), (#"{"labels":{"team":null}}"#, "labels.team"),
            (#"{"labels":[]}"#, "labels"), (#"{"labels":null}"#, "labels"), (#"{"labels":"team"}"#, "labels"),
            (#"{"leaseSeconds":0}"#, "leaseSeconds"), (#"{"leaseSeconds":31536001}"#, "leaseSeconds"),
            (#"{"leaseSeconds":1.5}"#, "leaseSeconds"), (#"{"leaseSeconds":"1"}"#, "leaseSeconds"),
            (#"{"leaseSeconds":null}"#, "leaseSeconds"),
        ]

    @Test("What no label can be, and no lease, is refused by name")
    func limits() async throws {
        try await withDaemon { daemon in
            for (body, field) in Self.refused {
                for (method, path) in [("POST", Self.collection), ("PUT", Self.a)] {
                    let response = try await daemon.send(method, path, body: body)
                    #expect(response.problem == "invalid-field", "\(body)")
                    let named = try response.json["field"]?.string
                    // What is long or not ASCII is not echoed as it came.
                    let isPlain = field.utf8.count <= 64 && field.utf8.allSatisfy { $0 < 0x80 }
                    #expect(isPlain ? named == field : named?.hasPrefix("labels.") == true, "\(body)")
                }
            }
            let many = (0...64).map { "\"l\($0)\":\"\"" }
            let full = "{\"labels\":{\(many.dropLast().joined(separator: ","))}}"
            let over = "{\"labels\":{\(many.joined(separator: ","))}}"
            #expect(try await daemon.send("POST", Self.collection, body: over).problem == "invalid-field")
            #expect(daemon.home.names.isEmpty)
            #expect(try await daemon.send("PUT", Self.a, body: full).status == 201)
            let patch = #"{"labels":{"one-more":""}}"#
            #expect(try await daemon.send("PATCH", Self.a, body: patch).problem == "invalid-field")
            let exchange = #"{"labels":{"one-more":"","l0":null}}"#
            #expect(try await daemon.send("PATCH", Self.a, body: exchange).status == 200)
        }
    }

    @Test("PUT compares labels and lease with what was asked for first")
    func put() async throws {
        try await withDaemon { daemon in
            let body = #"{"labels":{"team":"net"},"leaseSeconds":600}"#
            let created = try await daemon.send("PUT", Self.a, body: body)
            #expect(created.status == 201)
            try await Task.sleep(for: .milliseconds(50))
            let same = try await daemon.send("PUT", Self.a, body: body)
            #expect(same.status == 200)
            #expect(try same.json == created.json, "the lease is not renewed")
            let others = [
                "{}", #"{"labels":{"team":"net"}}"#, #"{"leaseSeconds":600}"#,
                #"{"labels":{"team":"net"},"leaseSeconds":601}"#, #"{"labels":{"team":"web"},"leaseSeconds":600}"#,
                #"{"labels":{"team":"net","more":""},"leaseSeconds":600}"#,
            ]
            for other in others {
                #expect(try await daemon.send("PUT", Self.a, body: other).problem == "namespace-differs", "\(other)")
            }
            try await daemon.home.addExternal("e")
            #expect(try await daemon.send("PUT", "/v1/namespaces/e", body: #"{"loopback":"down"}"#).status == 200)
            let labelled = #"{"loopback":"down","labels":{"team":"net"}}"#
            #expect(try await daemon.send("PUT", "/v1/namespaces/e", body: labelled).problem == "namespace-differs")
        }
    }

    @Test("PATCH adds, replaces and removes labels, and leaves the rest", arguments: ["merge-patch+json", "json"])
    func patch(_ type: String) async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.a, body: #"{"labels":{"team":"net","stage":"test","x":""}}"#)
            let steps: [(patch: String, labels: JSONValue)] = [
                (#"{"labels":{"owner":"me"}}"#, ["team": "net", "stage": "test", "x": "", "owner": "me"]),
                (#"{"labels":{"team":"web","x":null}}"#, ["team": "web", "stage": "test", "owner": "me"]),
                (#"{"labels":{"absent":null}}"#, ["team": "web", "stage": "test", "owner": "me"]),
                (#"{"labels":{}}"#, ["team": "web", "stage": "test", "owner": "me"]),
                ("{}", ["team": "web", "stage": "test", "owner": "me"]),
                (#"{"labels":null}"#, .object([:])),
            ]
            for (patch, labels) in steps {
                let response = try await daemon.send("PATCH", Self.a, body: patch, type: "application/\(type)")
                #expect(response.status == 200, "\(patch): \(response.text)")
                #expect(try response.json["labels"] == labels, "\(patch)")
                #expect(try await daemon.send("GET", Self.a).json == response.json, "\(patch)")
            }
            let refused = [
                (#"{"labels":{"team":1}}"#, "labels.team"), (#"{"labels":{"-":"x"}}"#, "labels.-"),
                (#"{"labels":[]}"#, "labels"), (#"{"colour":1}"#, "colour"), (#"{"lease":{}}"#, "lease.seconds"),
                (#"{"lease":{"seconds":0}}"#, "lease.seconds"), (#"{"lease":{"hours":1}}"#, "lease.hours"),
                (#"{"lease":1}"#, "lease"), ("[]", "(body)"),
            ]
            for (patch, field) in refused {
                let response = try await daemon.send("PATCH", Self.a, body: patch, type: "application/\(type)")
                #expect(response.problem == "invalid-field", "\(patch)")
                #expect(try response.json["field"]?.string == field, "\(patch)")
            }
        }
    }

    @Test("PATCH refuses what is not there, is stale, or is no patch")
    func patchRefused() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.a)
            try await Command.check("touch", [daemon.home.netnsDirectory + "/stale"])
            #expect(try await daemon.send("PATCH", "/v1/namespaces/none", body: "{}").problem == "namespace-not-found")
            #expect(try await daemon.send("PATCH", "/v1/namespaces/stale", body: "{}").problem == "namespace-stale")
            #expect(try await daemon.send("PATCH", Self.a, body: "{").problem == "malformed-json")
            let text = try await daemon.send("PATCH", Self.a, body: "{}", type: "text/plain")
            #expect(text.problem == "unsupported-media-type")
        }
    }

    @Test("The ETag follows every change, and If-Match refuses to change something else")
    func preconditions() async throws {
        try await withDaemon { daemon in
            let first = try #require(try await daemon.send("PUT", Self.a).headers["etag"])
            #expect(try await daemon.send("PATCH", Self.a, body: "{}").headers["etag"] == first)
            let body = #"{"labels":{"team":"net"}}"#
            let patched = try await daemon.send("PATCH", Self.a, body: body, headers: ["If-Match: \(first)"])
            #expect(patched.status == 200)
            let second = try #require(patched.headers["etag"])
            #expect(second != first)
            let late = try await daemon.send(
                "PATCH", Self.a, body: #"{"labels":{"team":"web"}}"#, headers: ["If-Match: \(first)"])
            #expect(late.problem == "precondition-failed")
            #expect(try await daemon.send("GET", Self.a).json["labels"] == ["team": "net"])
            let any = try await daemon.send(
                "PATCH", Self.a, body: #"{"lease":{"seconds":600}}"#, headers: ["If-Match: *"])
            let third = try #require(any.headers["etag"])
            let renewed = try await daemon.send("POST", Self.a + "/renew")
            let fourth = try #require(renewed.headers["etag"])
            #expect(Set([first, second, third, fourth]).count == 4)
            for (method, path) in [("POST", Self.a + "/renew"), ("DELETE", Self.a)] {
                let late = try await daemon.send(method, path, headers: ["If-Match: \(third)"])
                #expect(late.problem == "precondition-failed", "\(method)")
                #expect(
                    try await daemon.send(method, path, headers: ["If-Match: a"]).problem == "invalid-parameter")
            }
            #expect(try await daemon.send("GET", Self.a).headers["etag"] == fourth)
            let again = try await daemon.send("POST", Self.a + "/renew", headers: ["If-Match: \(fourth)"])
            let fifth = try #require(again.headers["etag"])
            #expect(try await daemon.send("DELETE", Self.a, headers: ["If-Match: \(fifth)"]).status == 204)
            #expect(try await daemon.send("PUT", Self.a).headers["etag"] != first)
        }
    }

    @Test("A PUT makes only what If-Match and If-None-Match let it make")
    func preconditionsOfCreation() async throws {
        try await withDaemon { daemon in
            func put(_ fields: String..., body: String? = nil) async throws -> TestSupport.HTTPResponse {
                try await daemon.send("PUT", Self.a, body: body, headers: fields)
            }
            // There is none, of whatever tag.
            for value in ["*", #""a""#] {
                #expect(try await put("If-Match: \(value)").problem == "precondition-failed")
                #expect(try await daemon.send("GET", Self.a).status == 404)
            }
            #expect(try await put("If-None-Match: a").problem == "invalid-parameter")
            let made = try await put("If-None-Match: *")
            #expect(made.status == 201)
            let tag = try #require(made.headers["etag"])
            for value in ["*", tag, "W/\(tag)", "\"a\", \(tag)"] {
                let refused = try await put("If-None-Match: \(value)")
                #expect(refused.status == 412 && refused.problem == "precondition-failed", "\(value)")
            }
            #expect(try await put("If-Match: \(tag)", #"If-None-Match: "a""#).status == 200)
            #expect(try await put("If-Match: *").status == 200)
            #expect(try await put(#"If-Match: "a""#).problem == "precondition-failed")
            // What differs is told where nothing else is amiss.
            let body = #"{"loopback":"down"}"#
            #expect(try await put("If-None-Match: *", body: body).problem == "precondition-failed")
            #expect(try await put("If-Match: *", body: body).problem == "namespace-differs")
            #expect(try await daemon.send("GET", Self.a).headers["etag"] == tag)
        }
    }

    @Test("Of many that PUT with If-None-Match at once one makes it")
    func exclusiveCreation() async throws {
        try await withDaemon { daemon in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await daemon.send("PUT", Self.a, headers: ["If-None-Match: *"]).status }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(statuses.sorted() == [201] + Array(repeating: 412, count: 7))
        }
    }

    @Test("A name that is deleted and added again by other means has none of the old labels")
    func notInherited() async throws {
        try await withDaemon { daemon in
            let events = try await daemon.collectEvents()
            let old = try await daemon.send("PUT", Self.a, body: #"{"labels":{"team":"net"},"leaseSeconds":1}"#)
            try await daemon.home.removeExternal("a")
            try await daemon.home.addExternal("a")
            let new = try await daemon.send("GET", Self.a)
            #expect(try new.json["origin"] == "external")
            #expect(try new.json["labels"] == .object([:]))
            #expect(new.headers["etag"] != old.headers["etag"])
            try await eventually(within: 0.5, "the list shows no label") {
                try await daemon.send("GET", Self.collection + "?label=team").json["total"] == 0
            }
            // The lease was the other's too.
            try await Task.sleep(for: .milliseconds(1500))
            #expect(try await daemon.send("GET", Self.a).status == 200)
            #expect(!events.events.contains { $0.type == "expired" })
        }
    }
}
