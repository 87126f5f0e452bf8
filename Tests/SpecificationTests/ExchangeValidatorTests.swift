import Foundation
import TestSupport
import Testing

@Suite("The exchange validator")
struct ExchangeValidatorTests {
    private let validator: ExchangeValidator
    private static let common = "Server: netnsd/0.1.0\r\nX-Request-Id: a"

    init() throws { validator = ExchangeValidator(try OpenAPIDocument()) }

    @Test("What is as described passes")
    func valid() throws {
        #expect(try failures("GET", "/healthz", 200, body: #"{"status":"ok"}"#).isEmpty)
        #expect(try failures("HEAD", "/healthz", 200).isEmpty)
        #expect(try failures("OPTIONS", "/healthz", 204, headers: "Allow: GET, HEAD, OPTIONS", type: nil).isEmpty)
        #expect(try failures("DELETE", "/v1/namespaces/a?ifUnused=true", 204, type: nil).isEmpty)
    }

    @Test(
        "What is not as described fails",
        arguments: [
            ("GET", "/healthz", 200, #"{"status":"ok","more":1}"#), ("GET", "/healthz", 200, #"{"status":"bad"}"#),
            ("GET", "/healthz", 200, "{"), ("GET", "/healthz", 202, #"{"status":"ok"}"#),
            ("GET", "/nowhere", 200, #"{"status":"ok"}"#), ("PATCH", "/healthz", 200, #"{"status":"ok"}"#),
            ("HEAD", "/healthz", 200, #"{"status":"ok"}"#), ("DELETE", "/v1/namespaces/a", 204, "{}"),
        ])
    func invalid(method: String, path: String, status: Int, body: String) throws {
        #expect(try failures(method, path, status, body: body).isEmpty == false)
    }

    @Test("A stream is held to its content type alone")
    func stream() throws {
        #expect(try failures("GET", "/v1/events", 200, type: "text/event-stream").isEmpty)
        #expect(try failures("GET", "/v1/events?since=1", 200, type: "text/event-stream", body: ": netnsd").isEmpty)
        #expect(try failures("GET", "/healthz", 200, type: "text/event-stream").isEmpty == false)
        let page = #"{"events":[],"revision":1}"#
        #expect(try failures("GET", "/v1/events?wait=1&since=1", 200, body: page).isEmpty)
        #expect(try failures("GET", "/v1/events?wait=1&since=1", 200, body: "{}").isEmpty == false)
    }

    @Test(
        "Retry-After is there with what may be tried again, and not with what may not",
        arguments: [
            (503, "shutting-down", true), (503, "shutting-down", false), (409, "idempotency-in-progress", true),
            (409, "idempotency-in-progress", false), (409, "name-taken", true), (409, "name-taken", false),
        ])
    func retryAfter(status: Int, problem: String, isThere: Bool) throws {
        let failures = try failures(
            "POST", "/v1/namespaces", status, headers: isThere ? "Retry-After: 1" : "A: b",
            type: "application/problem+json", body: problemBody(problem, status: status, instance: "a"))
        #expect(failures.isEmpty == (isThere == (problem != "name-taken")), "\(failures)")
    }

    @Test("Only a replayed answer has another request's id in it")
    func replayed() throws {
        let body = problemBody("name-taken", status: 409, instance: "first")
        let type = "application/problem+json"
        let replayed = "Idempotent-Replayed: true"
        #expect(
            try failures("POST", "/v1/namespaces", 409, headers: replayed, type: type, body: body).isEmpty)
        #expect(try failures("POST", "/v1/namespaces", 409, type: type, body: body).isEmpty == false)
        #expect(
            try failures("GET", "/healthz", 200, headers: replayed, body: #"{"status":"ok"}"#).isEmpty == false)
    }

    @Test("A failed batch says which item failed and why; nothing else does")
    func batchFailed() throws {
        let type = "application/problem+json"
        let cause = #""item":0,"cause":{"type":"urn:netnsd:problem:name-taken","title":"T","status":409,"detail":"D"}"#
        let path = "/v1/namespaces:batch"
        let failed = problemBody("batch-failed", status: 409, instance: "a")
        #expect(try failures("POST", path, 409, type: type, body: failed).isEmpty == false)
        #expect(
            try failures("POST", path, 409, type: type, body: failed.dropLast() + ",\(cause)}").isEmpty)
        let taken = problemBody("name-taken", status: 409, instance: "a")
        #expect(
            try failures("POST", "/v1/namespaces", 409, type: type, body: taken.dropLast() + ",\(cause)}").isEmpty
                == false)
    }

    @Test("A path without parameters wins over one with")
    func literalPath() throws {
        let document = OpenAPIDocument(
            root: ["paths": ["/a/{x}": ["get": 1], "/a/b": ["get": 2], "/{y}/b": ["get": 3], "/{y}/{x}": ["get": 4]]])
        #expect(document.template(for: "/a/b?c=d")?.template == "/a/b")
        #expect(document.template(for: "/a/c")?.template == "/a/{x}")
        #expect(document.template(for: "/c/b")?.template == "/{y}/b")
        #expect(document.template(for: "/c/d")?.template == "/{y}/{x}")
        #expect(document.template(for: "/a") == nil)
        let real = try OpenAPIDocument()
        #expect(real.template(for: "/v1/namespaces:batch")?.template == "/v1/namespaces:batch")
        #expect(real.template(for: "/v1/namespaces/events")?.template == "/v1/namespaces/{name}")
    }

    private func problemBody(_ code: String, status: Int, instance: String) -> String {
        #"{"type":"urn:netnsd:problem:\#(code)","title":"T","status":\#(status),"detail":"D","instance":"\#(instance)"}"#
    }

    @Test("A missing header fails")
    func missingHeader() throws {
        let response = try HTTPResponse(
            head: "HTTP/1.1 200 OK\r\nServer: netnsd/0.1.0\r\nContent-Type: application/json",
            body: Data("{\"status\":\"ok\"}\n".utf8))
        #expect(try validator.failures(method: "GET", path: "/healthz", response: response).count == 1)
    }

    private func failures(
        _ method: String, _ path: String, _ status: Int, headers: String = "A: b", type: String? = "application/json",
        body: String = ""
    ) throws -> [String] {
        let typeLine = type.map { "\r\nContent-Type: \($0)" } ?? ""
        let response = try HTTPResponse(
            head: "HTTP/1.1 \(status) X\r\n\(Self.common)\r\n\(headers)\(typeLine)",
            body: Data((body.isEmpty ? "" : body + "\n").utf8))
        return try validator.failures(method: method, path: path, response: response)
    }
}
