import Foundation
import HTTPTypes
import Logging
import Synchronization
import Testing

@testable import MicroHTTP

/// Answers at once, always with what it was last told to, under another id each time.
private final class RecurringHandler: RequestHandler {
    let response = Mutex(Response(status: .ok))
    private let count = Atomic<Int>(0)

    func accept(_ request: Request) -> Disposition {
        var response = response.withLock(\.self)
        response.requestID =
            request.headerFields[.requestID] == "none"
            ? nil : "id-\(count.add(1, ordering: .relaxed).newValue)"
        return .respond(response)
    }

    func response(to refusal: Refusal, of request: Request) -> Response { Response(status: .badRequest) }
}

@Suite("Answers that recur on a connection") struct RecurringAnswerTests {
    private static func get(_ more: String = "", method: String = "GET") -> String {
        "\(method) / HTTP/1.1\r\nHost: localhost\r\n\(more)\r\n"
    }

    private static func fields(_ answer: String) -> [String: [String]] {
        let head = answer.components(separatedBy: "\r\n\r\n")[0]
        return head.split(separator: "\r\n").dropFirst().reduce(into: [:]) { fields, line in
            let parts = line.split(separator: ":", maxSplits: 1)
            fields[parts[0].lowercased(), default: []].append(parts[1].trimmingCharacters(in: .whitespaces))
        }
    }

    @Test("each is its own request's, with its own id once", arguments: [0, 300, Message.longestKept + 1])
    func identified(length: Int) async throws {
        try await withServer { handler, client in
            let body = String(repeating: "a", count: length)
            handler.response.withLock { $0 = Response(status: .ok, headerFields: [.eTag: "1"], body: Array(body.utf8)) }
            for number in 1...5 {
                client.send(Self.get())
                let answer = client.answer()
                let fields = Self.fields(answer)
                #expect(answer.hasPrefix("HTTP/1.1 200") && answer.hasSuffix("\r\n\r\n\(body)"))
                #expect(fields["x-request-id"] == ["id-\(number)"])
                #expect(fields["server"] == ["test/1"] && fields["etag"] == ["1"])
                #expect(fields["content-length"] == ["\(length)"])
            }
        }
    }

    @Test("whatever of an answer changes, the next one has it") func changed() async throws {
        let answers = [
            Response(status: .ok, headerFields: [.eTag: "1"], body: Array("one".utf8)),
            Response(status: .ok, headerFields: [.eTag: "1"], body: Array("two".utf8)),
            Response(status: .ok, headerFields: [.eTag: "2"], body: Array("two".utf8)),
            Response(status: .notFound, headerFields: [.eTag: "2"], body: Array("two".utf8)),
            Response(status: .ok, headerFields: [:], body: Array("two".utf8)),
            Response(status: .ok, headerFields: [.eTag: "2", .contentType: "text/plain"], body: Array("two".utf8)),
        ]
        try await withServer { handler, client in
            for response in answers + answers.reversed() {
                handler.response.withLock { $0 = response }
                for _ in 0..<2 {
                    client.send(Self.get())
                    let answer = client.answer()
                    let fields = Self.fields(answer)
                    #expect(answer.hasPrefix("HTTP/1.1 \(response.status.code)"))
                    #expect(fields["etag"]?.first == response.headerFields[.eTag])
                    #expect(fields["content-type"]?.first == response.headerFields[.contentType])
                    guard case .bytes(let body) = response.body else { return }
                    #expect(answer.hasSuffix("\r\n\r\n" + String(decoding: body, as: UTF8.self)))
                }
            }
        }
    }

    @Test("one without an id has none, and HEAD no body") func variants() async throws {
        try await withServer { handler, client in
            handler.response.withLock { $0 = Response(status: .ok, body: Array("body".utf8)) }
            for _ in 0..<3 {
                client.send(Self.get("X-Request-Id: none\r\n"))
                #expect(Self.fields(client.answer())["x-request-id"] == nil)
                client.send(Self.get(method: "HEAD"))
                let head = client.text(through: "\r\n\r\n")
                #expect(Self.fields(head)["content-length"] == ["4"])
                #expect(Self.fields(head)["x-request-id"]?.count == 1)
                client.send(Self.get())
                #expect(client.answer().hasSuffix("\r\n\r\nbody"))
            }
        }
    }

    @Test("the last of a connection says so, and no other") func last() async throws {
        var configuration = HTTPServer.Configuration()
        configuration.requestsPerConnection = 3
        try await withServer(configuration) { handler, client in
            handler.response.withLock { $0 = Response(status: .ok, body: Array("body".utf8)) }
            client.send(Self.get())
            #expect(Self.fields(client.answer())["connection"] == nil)
            client.send(Self.get())
            #expect(Self.fields(client.answer())["connection"] == nil)
            client.send(Self.get())
            #expect(Self.fields(client.answer())["connection"] == ["close"])
            #expect(client.isClosed())
        }
    }

    private func withServer(
        _ configuration: HTTPServer.Configuration = .init(),
        _ body: (_ handler: RecurringHandler, _ client: RawClient) throws -> Void
    ) async throws {
        let path = "/tmp/microhttp-\(UUID().uuidString).sock"
        var configuration = configuration
        configuration.product = "test/1"
        let handler = RecurringHandler()
        let server = try HTTPServer.start(
            on: [.unix(path: path, mode: 0o600, group: nil)], configuration: configuration, handler: handler,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        do {
            try body(handler, try RawClient(path: path))
        } catch {
            await server.shutdown(deadline: .seconds(1))
            throw error
        }
        await server.shutdown(deadline: .seconds(5))
    }
}
