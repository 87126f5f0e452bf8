import Foundation
import TestSupport
import Testing

@Suite("Bad input", .tags(.endToEnd), .timeLimit(.minutes(3)))
struct BadInputTests {
    /// A request that is refused, and how.
    struct Refused: Sendable, CustomTestStringConvertible {
        let method: String
        let path: String
        var body: String?
        var type: String? = "application/json"
        let status: Int
        let problem: String
        var field: String?
        var testDescription: String { "\(method) \(path.prefix(60)) \((body ?? "").prefix(60)) → \(problem)" }
    }

    private static let collection = "/v1/namespaces"

    static let badBodies = [
        ("{", 400, "malformed-json", nil), ("{}{}", 400, "malformed-json", nil), ("nul", 400, "malformed-json", nil),
        (#"{"name":"a",}"#, 400, "malformed-json", nil), ("\u{1}", 400, "malformed-json", nil),
        ("[]", 422, "invalid-field", nil), ("1", 422, "invalid-field", nil), (#""a""#, 422, "invalid-field", nil),
        (#"{"name":1}"#, 422, "invalid-field", "name"), (#"{"name":["a"]}"#, 422, "invalid-field", "name"),
        (#"{"loopback":true}"#, 422, "invalid-field", "loopback"),
        (#"{"loopback":"left"}"#, 422, "invalid-field", "loopback"),
        (#"{"colour":"blue"}"#, 422, "invalid-field", "colour"),
        (#"{"namePrefix":"-a"}"#, 422, "invalid-field", "namePrefix"),
        (#"{"namePrefix":""}"#, 422, "invalid-field", "namePrefix"),
        (#"{"namePrefix":"\#(String(repeating: "a", count: 28))"}"#, 422, "invalid-field", "namePrefix"),
        (#"{"name":"a","namePrefix":"b"}"#, 422, "invalid-field", "namePrefix"),
    ].map { (body: String, status: Int, problem: String, field: String?) in
        Refused(method: "POST", path: collection, body: body, status: status, problem: problem, field: field)
    }

    static let badNames = [
        "", ".", "..", "a/b", #"\u0000"#, #"a\u0000"#, #"a\n"#, #"\u007f"#, "-a", ".a", "a b", "é", "_a",
        String(repeating: "a", count: 65),
    ].map { name in
        Refused(
            method: "POST", path: collection, body: "{\"name\":\"\(name)\"}", status: 422, problem: "invalid-field",
            field: "name")
    }

    static let badPaths =
        [
            "a%2Fb", "a%0A", "%7F", "-a", ".a", "a%20b", "%C3%A9", "_a", String(repeating: "a", count: 65),
        ].map { name in
            Refused(method: "PUT", path: "\(collection)/\(name)", status: 400, problem: "invalid-name")
        }
        + ["%2E", "%2E%2E", ".", "..", "%00", "a%00", "%zz"].map { name in
            Refused(method: "PUT", path: "\(collection)/\(name)", status: 400, problem: "malformed-request")
        }

    static let others = [
        Refused(method: "GET", path: "/", status: 404, problem: "route-not-found"),
        Refused(method: "GET", path: "/v1", status: 404, problem: "route-not-found"),
        Refused(method: "GET", path: "/v2/namespaces", status: 404, problem: "route-not-found"),
        Refused(method: "POST", path: "/nowhere", body: "{}", status: 404, problem: "route-not-found"),
        Refused(method: "GET", path: "\(collection)/a/b", status: 404, problem: "route-not-found"),
        Refused(method: "PATCH", path: collection, status: 405, problem: "method-not-allowed"),
        Refused(method: "GET", path: "\(collection):prune", status: 405, problem: "method-not-allowed"),
        Refused(method: "PUT", path: "\(collection):batch", status: 405, problem: "method-not-allowed"),
        Refused(method: "GET", path: "\(collection):other", status: 404, problem: "route-not-found"),
        Refused(method: "POST", path: "\(collection)/a", status: 405, problem: "method-not-allowed"),
        Refused(method: "POST", path: "/healthz", status: 405, problem: "method-not-allowed"),
        Refused(method: "BREW", path: "/v1/host", status: 405, problem: "method-not-allowed"),
        Refused(
            method: "POST", path: collection, body: "{}", type: "text/plain", status: 415,
            problem: "unsupported-media-type"),
        Refused(
            method: "POST", path: collection, body: "{}", type: nil, status: 415, problem: "unsupported-media-type"),
        Refused(
            method: "PUT", path: "\(collection)/a", body: "{}", type: "application/x-www-form-urlencoded", status: 415,
            problem: "unsupported-media-type"),
        Refused(
            method: "POST", path: collection, body: String(repeating: " ", count: 65537), status: 413,
            problem: "content-too-large"),
        Refused(method: "PUT", path: "\(collection)/a", body: #"{"name":"a"}"#, status: 422, problem: "invalid-field"),
        Refused(method: "GET", path: "\(collection)?limit=0", status: 400, problem: "invalid-parameter"),
        Refused(method: "GET", path: "\(collection)?limit=1001", status: 400, problem: "invalid-parameter"),
        Refused(method: "GET", path: "\(collection)?limit=many", status: 400, problem: "invalid-parameter"),
        Refused(method: "GET", path: "\(collection)?limit=", status: 400, problem: "invalid-parameter"),
        Refused(method: "GET", path: "\(collection)?prefix=", status: 400, problem: "invalid-parameter"),
        Refused(method: "DELETE", path: "\(collection)?label=a&prefix=", status: 400, problem: "invalid-parameter"),
        Refused(method: "PATCH", path: "\(collection)/none", status: 400, problem: "malformed-json"),
        Refused(
            method: "PUT", path: "\(collection)/a", body: #"{"leaseSeconds":1.5}"#, status: 422,
            problem: "invalid-field"),
        Refused(method: "GET", path: "\(collection)?colour=blue", status: 400, problem: "invalid-parameter"),
        Refused(method: "DELETE", path: "\(collection)/a?ifUnused=maybe", status: 400, problem: "invalid-parameter"),
        Refused(method: "GET", path: "\(collection)/a%2Fb", status: 400, problem: "invalid-name"),
        Refused(method: "DELETE", path: "\(collection)/%2E%2E", status: 400, problem: "malformed-request"),
        Refused(method: "GET", path: "\(collection)/none", status: 404, problem: "namespace-not-found"),
        Refused(method: "DELETE", path: "\(collection)/none", status: 404, problem: "namespace-not-found"),
    ]

    @Test("Bad input is refused, names what is wrong, and leaves nothing behind")
    func refusals() async throws {
        try await withDaemon { daemon in
            for refused in Self.badBodies + Self.badNames + Self.badPaths + Self.others {
                do {
                    try await expect(refused, by: daemon)
                } catch {
                    Issue.record("\(refused.testDescription): \(error)")
                }
            }
            #expect(daemon.home.names.isEmpty)
            #expect(daemon.home.records.isEmpty)
            let next = try await daemon.send("POST", "/v1/namespaces")
            #expect(next.status == 201)
        }
    }

    private func expect(_ refused: Refused, by daemon: Daemon) async throws {
        let response = try await daemon.send(refused.method, refused.path, body: refused.body, type: refused.type)
        #expect(response.status == refused.status, "\(refused.testDescription): \(response.text)")
        #expect(response.problem == refused.problem, "\(refused.testDescription): \(response.text)")
        if let field = refused.field {
            #expect(try response.json["field"]?.string == field, "\(refused.testDescription)")
        }
        #expect((response.status == 405) == (response.headers["allow"] != nil))
    }

    @Test("A name that is taken is refused, whatever has it")
    func taken() async throws {
        try await withDaemon { daemon in
            #expect(try await daemon.send("POST", Self.collection, body: #"{"name":"a"}"#).status == 201)
            try await Command.check("touch", [daemon.home.netnsDirectory + "/stale"])
            for name in ["a", "stale"] {
                let response = try await daemon.send("POST", Self.collection, body: "{\"name\":\"\(name)\"}")
                #expect(response.problem == "name-taken")
            }
        }
    }

    @Test("A directory is not deleted")
    func directory() async throws {
        try await withDaemon { daemon in
            try await daemon.send("POST", Self.collection)
            try await Command.check("mkdir", [daemon.home.netnsDirectory + "/d"])
            #expect(try await daemon.send("DELETE", Self.collection + "/d").problem == "not-a-namespace")
        }
    }

    @Test("A body that is announced as too large is refused before it is sent")
    func announcedTooLarge() async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            let response = try await offload {
                let connection = try RawConnection(endpoint)
                try connection.send(
                    Data(
                        """
                        POST /v1/namespaces HTTP/1.1\r
                        Host: a\r
                        Content-Type: application/json\r
                        Content-Length: 1000000000\r
                        \r\n
                        """.utf8))
                return try connection.response()
            }
            #expect(response.status == 413)
            #expect(response.problem == "content-too-large")
        }
    }

    @Test(
        "Malformed messages are refused, and the daemon goes on",
        arguments: [
            "GET /healthz HTTP/1.1\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "POST /v1/namespaces HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            "POST /v1/namespaces HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            "GET /v1/namespaces/%zz HTTP/1.1\r\nHost: a\r\n\r\n",
        ])
    func malformed(_ message: String) async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            let response = try await offload {
                let connection = try RawConnection(endpoint)
                try connection.send(Data(message.utf8))
                return try connection.response()
            }
            #expect(response.status == 400)
            #expect(try await daemon.send("GET", "/healthz").status == 200)
            #expect(daemon.home.names.isEmpty)
        }
    }
}
