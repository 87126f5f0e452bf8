import Foundation
import TestSupport
import Testing

@Suite("Bodies of who is refused", .tags(.endToEnd), .timeLimit(.minutes(5)))
struct UnwantedBodyTests {
    private static let mebibyte = 1 << 20

    /// Who asks what: all are refused, but the one with a good token.
    private static func head(_ method: String, _ path: String, _ fields: [String]) -> Data {
        let fields = ["Host: localhost", "Content-Type: application/json"] + fields
        return Data("\(method) \(path) HTTP/1.1\r\n\(fields.map { $0 + "\r\n" }.joined())\r\n".utf8)
    }

    private func withTokens(_ body: @escaping @Sendable (Endpoint, _ good: String) throws -> Void) async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            let good = try await file.text(role: "viewer", name: "good")
            let arguments = ["--listen", "127.0.0.1:0", "--token-file", file.path, "--request-seconds", "20"]
            try await withDaemon(in: home, arguments: arguments) { daemon in
                let endpoint = try daemon.endpoint(.tcp)
                try await offload { try body(endpoint, good) }
                #expect(daemon.home.names.isEmpty)
            }
        }
    }

    @Test("One of the longest length that anybody may send is taken before the refusal, and the connection goes on")
    func drained() async throws {
        try await withTokens { (endpoint, good) in
            for (fields, status) in [([], 401), (["Authorization: Bearer \(good)"], 403)] {
                for length in [1, 70_000, Self.mebibyte] {
                    let connection = try RawConnection(endpoint)
                    let head = Self.head("POST", "/v1/namespaces", fields + ["Content-Length: \(length)"])
                    try connection.send(head + Data(repeating: 0x78, count: length))
                    #expect(try connection.response().status == status)
                    #expect(try connection.exchange("GET", "/healthz").status == 200)
                }
            }
        }
    }

    @Test(
        "One that is announced to be longer is refused at once, and tells nothing of a token",
        arguments: [mebibyte + 1, .max])
    func announced(length: Int) async throws {
        try await withTokens { (endpoint, good) in
            let wrong = good.dropLast() + (good.hasSuffix("0") ? "1" : "0")
            for (method, path) in [("POST", "/v1/namespaces"), ("GET", "/v1/version"), ("PUT", "/nowhere")] {
                let (authorized, wrongly) = ("Authorization: Bearer \(good)", "Authorization: Bearer \(wrong)")
                for fields in [[], [authorized], [wrongly], ["Origin: x"]] {
                    let connection = try RawConnection(endpoint)
                    let start = ContinuousClock.now
                    try connection.send(Self.head(method, path, fields + ["Content-Length: \(length)"]))
                    let response = try connection.response()
                    // The body has not come, and never will.
                    #expect(ContinuousClock.now - start < .seconds(5))
                    #expect(response.problem == "content-too-large", "\(method) \(fields)")
                    #expect(response.headers["connection"]?.lowercased() == "close")
                    #expect(throws: TestFailure.self) { try connection.exchange("GET", "/healthz") }
                }
            }
        }
    }

    @Test("Who sends a long one all the same finds the answer") func impatient() async throws {
        try await withTokens { (endpoint, _) in
            for _ in 0..<10 {
                let connection = try RawConnection(endpoint)
                try connection.send(Self.head("POST", "/v1/namespaces", ["Content-Length: \(8 * Self.mebibyte)"]))
                try? connection.send(Data(repeating: 0x78, count: 8 * Self.mebibyte))
                #expect(try connection.response().problem == "content-too-large")
            }
        }
    }

    @Test("One in chunks that goes on beyond that is cut off") func chunked() async throws {
        try await withTokens { (endpoint, _) in
            let connection = try RawConnection(endpoint)
            try connection.send(Self.head("POST", "/v1/namespaces", ["Transfer-Encoding: chunked"]))
            let chunk = Data("10000\r\n".utf8) + Data(repeating: 0x78, count: 65536) + Data("\r\n".utf8)
            let start = ContinuousClock.now
            var sent = 0
            while sent < 4096, (try? connection.send(chunk)) != nil { sent += 1 }
            // What the kernel's buffers hold besides.
            #expect(sent < 512)
            #expect(throws: TestFailure.self) { try connection.response() }
            #expect(ContinuousClock.now - start < .seconds(10))
        }
    }
}
