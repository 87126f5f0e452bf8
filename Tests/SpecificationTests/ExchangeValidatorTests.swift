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
