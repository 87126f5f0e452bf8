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
        switch request.headerFields[.requestID] {
        case "none": break
        case let id?: response.requestID = id
        case nil: response.requestID = "id-\(count.add(1, ordering: .relaxed).newValue)"
        }
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
                    #expect(fields["etag"] == response.headerFields[.eTag].map { [$0] })
                    #expect(fields["content-type"] == response.headerFields[.contentType].map { [$0] })
                    guard case .bytes(let body) = response.body else { throw Unexpected() }
                    #expect(answer.hasSuffix("\r\n\r\n" + String(decoding: body, as: UTF8.self)))
                }
            }
        }
    }

    @Test("one without an id has none, and HEAD no body") func variants() async throws {
        try await withServer { handler, client in
            handler.response.withLock { $0 = Response(status: .ok, body: Array("body".utf8)) }
            for number in 0..<3 {
                client.send(Self.get("X-Request-Id: none\r\n"))
                #expect(Self.fields(client.answer())["x-request-id"] == nil)
                client.send(Self.get(method: "HEAD"))
                let head = client.text(through: "\r\n\r\n")
                #expect(Self.fields(head)["content-length"] == ["4"])
                #expect(Self.fields(head)["x-request-id"] == ["id-\(2 * number + 1)"])
                client.send(Self.get())
                #expect(client.answer().hasSuffix("\r\n\r\nbody"))
            }
            // Two that come in one piece, and two of one id.
            client.send(Self.get() + Self.get())
            #expect((0..<2).map { _ in Self.fields(client.answer())["x-request-id"] } == [["id-7"], ["id-8"]])
            for _ in 0..<2 {
                client.send(Self.get("X-Request-Id: mine\r\n"))
                #expect(Self.fields(client.answer())["x-request-id"] == ["mine"])
            }
        }
    }

    @Test("one that has no body has none, however often it is sent", arguments: [204, 304])
    func withoutBody(status: Int) async throws {
        try await withServer { handler, client in
            handler.response.withLock { $0 = Response(status: .init(code: status), headerFields: [.eTag: "1"]) }
            for number in 1...3 {
                client.send(Self.get())
                let answer = client.text(through: "\r\n\r\n")
                #expect(answer.hasPrefix("HTTP/1.1 \(status)"))
                #expect(Self.fields(answer)["x-request-id"] == ["id-\(number)"])
            }
            // Nothing stands before the next one.
            handler.response.withLock { $0 = Response(status: .ok, headerFields: [.eTag: "1"], body: [0x61]) }
            client.send(Self.get())
            #expect(client.answer().hasSuffix("\r\n\r\na"))
            #expect(!client.hasAnswer(within: 50))
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

    @Test("a message serves another answer if that has the same bytes, and no other") func renewal() throws {
        let response = Response(status: .ok, headerFields: [.eTag: "1"])
        guard var message = Message(response, [1, 2], product: nil) else { throw Unexpected() }
        var other = response
        for id in ["a", "b", nil, "c", nil, nil] {
            other.requestID = id
            let isRenewed = message.renew(for: other, [1, 2])
            #expect(isRenewed)
        }
        other.headerFields = [.eTag: "2"]
        let hasOtherField = message.renew(for: other, [1, 2])
        #expect(!hasOtherField)
        let hasOtherBody = message.renew(for: response, [1, 3])
        #expect(!hasOtherBody)
        let isSame = message.renew(for: response, [1, 2])
        #expect(isSame)
    }

    @Test("fields are the same if their bytes are") func equality() {
        let eTag = HTTPField.Name("etag")
        #expect(HeaderFields.Field(name: .eTag, value: "e\u{301}") != .init(name: .eTag, value: "\u{e9}"))
        #expect(HeaderFields.Field(name: .eTag, value: "1") == .init(name: .eTag, value: "1"))
        #expect(eTag.map { HeaderFields.Field(name: .eTag, value: "1") != .init(name: $0, value: "1") } == true)
    }

    private struct Unexpected: Error {}

    private func withServer(
        _ configuration: HTTPServer.Configuration = .init(),
        _ body: (_ handler: RecurringHandler, _ client: RawClient) throws -> Void
    ) async throws {
        var configuration = configuration
        configuration.product = "test/1"
        let handler = RecurringHandler()
        try await withUnixServer(configuration, handler) { connect in try body(handler, try connect()) }
    }
}
