import Foundation
import TestSupport
import Testing

@Suite("Hostile requests", .tags(.endToEnd), .timeLimit(.minutes(5)))
struct HostileRequestTests {
    private struct Outcome: Equatable {
        let answer: String
        let isOpen: Bool
    }

    @Test("There are at least 80 of them, each with a name of its own") func table() {
        #expect(HostileRequest.all.count >= 80)
        #expect(Set(HostileRequest.all.map(\.name)).count == HostileRequest.all.count)
    }

    @Test(
        "Each is answered as it must be, and nothing is left behind",
        arguments: [HTTPClient.Transport.unixSocket, .tcp])
    func answers(_ transport: HTTPClient.Transport) async throws {
        try await withDaemon(arguments: ["--allowed-host", "a"], tcp: true) { daemon in
            let endpoint = try daemon.endpoint(transport)
            for request in HostileRequest.all {
                let expected = Self.expected(request)
                let outcome = try await offload { try Self.outcome(of: request, at: endpoint) }
                #expect(outcome == expected, "\(request.name)")
            }
            // What a process needs once, it has by now.
            let memory = try Resources.residentMemory(pid: daemon.pid)
            let resources = try await daemon.resources(settlingTo: daemon.filledResources())
            for _ in 0..<3 {
                try await offload {
                    for request in HostileRequest.all { _ = try Self.outcome(of: request, at: endpoint) }
                }
            }
            let after = try await daemon.resources(settlingTo: resources)
            #expect(!after.exceeds(resources), "\(after), before \(resources)")
            let growth = try Resources.residentMemory(pid: daemon.pid) - memory
            #expect(growth < 4 << 20, "\(growth) bytes more")
            #expect(daemon.home.names.isEmpty)
            #expect(daemon.home.records.isEmpty)
            #expect(try await daemon.send("POST", "/v1/namespaces", over: transport).status == 201)
        }
    }

    private static func expected(_ request: HostileRequest) -> Outcome {
        let answer =
            switch request.answer {
            case .nothing: "nothing"
            case .library(let status): "\(status) HTML"
            case .problem(let status, let code): "\(status) \(code)"
            case .sound(let status): "\(status)"
            }
        return Outcome(answer: answer, isOpen: request.connection == .open)
    }

    private static func outcome(of request: HostileRequest, at endpoint: Endpoint) throws -> Outcome {
        let connection = try RawConnection(endpoint)
        // Refused before its end, perhaps.
        try? connection.send(request.message)
        let response: HTTPResponse
        do {
            response = try connection.response()
        } catch let failure as TestFailure where "\(failure)".contains("connection closed") {
            return Outcome(answer: "nothing", isOpen: false)
        }
        let answer =
            if let problem = response.problem {
                "\(response.status) \(problem)"
            } else if response.text.contains("<html") {
                "\(response.status) HTML"
            } else {
                "\(response.status)"
            }
        return Outcome(answer: answer, isOpen: isOpen(connection))
    }

    /// Whether another request is answered.
    private static func isOpen(_ connection: RawConnection) -> Bool {
        do {
            return try connection.exchange("GET", "/v1/version").status == 200
        } catch {
            return false
        }
    }

    @Test("No answer repeats what could be more than text")
    func echoes() async throws {
        try await withDaemon { daemon in
            let odd = [
                "<script>alert(1)</script>", "\u{1b}[31m", "\u{202e}", "a\u{0}b", "é", "\"'&", "\r\nX: y",
                String(repeating: "x", count: 5000),
            ]
            for text in odd {
                let bytes = text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                let json = String(
                    decoding: try JSONSerialization.data(withJSONObject: [text: "a", "labels": [text: text]]),
                    as: UTF8.self)
                let label = String(
                    decoding: try JSONSerialization.data(withJSONObject: ["labels": [text: text]]), as: UTF8.self)
                var answers = [
                    try await daemon.send("POST", "/v1/namespaces", body: json),
                    try await daemon.send("POST", "/v1/namespaces", body: label),
                    try await daemon.send("PATCH", "/v1/namespaces/a", body: label),
                    try await daemon.send("POST", "/v1/namespaces", body: "{}", type: "text/\(text.count)<b>"),
                    try await daemon.send("GET", "/v1/namespaces?\(bytes)=1"),
                    try await daemon.send("GET", "/v1/namespaces?limit=\(bytes)"),
                    try await daemon.send("GET", "/v1/namespaces?label=%ff<"),
                    try await daemon.send("GET", "/v1/events?since=\(bytes)"),
                ]
                if bytes.count < 700 {
                    answers.append(try await daemon.send("GET", "/v1/namespaces/\(bytes)"))
                    answers.append(try await daemon.send("DELETE", "/v1/namespaces/\(bytes)"))
                    answers.append(try await daemon.send("GET", "/v1/processes/\(bytes)/namespace"))
                }
                for answer in answers {
                    #expect((400..<500).contains(answer.status))
                    #expect(
                        answer.body.allSatisfy { (0x20...0x7e).contains($0) || $0 == 0x0a }, "\(text.debugDescription)")
                    #expect(!answer.text.contains("<"), "\(answer.text)")
                    #expect(answer.body.count < 2048)
                }
            }
        }
    }
}
