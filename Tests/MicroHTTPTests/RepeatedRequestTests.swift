import Foundation
import HTTPTypes
import Logging
import Synchronization
import Testing

@testable import MicroHTTP

/// Answers with what it was asked, and says that the answer may be given again for as long as it is told to.
private final class RepeatingHandler: RequestHandler {
    struct Counts: Equatable {
        var accepted = 0
        var recurred = 0
    }

    final class Answer: RecurringAnswer {
        private let handler: RepeatingHandler

        init(_ handler: RepeatingHandler) { self.handler = handler }

        func recur() -> String? {
            handler.state.withLock { state in
                guard state.mayRecur else { return nil }
                state.counts.recurred += 1
                return "again-\(state.counts.recurred)"
            }
        }
    }

    let state = Mutex((counts: Counts(), mayRecur: true))

    var counts: Counts { state.withLock(\.counts) }

    func accept(_ request: Request) -> Disposition {
        state.withLock { $0.counts.accepted += 1 }
        let fields = request.headerFields.map { "\($0.name.rawName)=\($0.value)" }.joined(separator: ";")
        let target = request.target.map { "\($0.segments) \($0.query)" }
        var response = Response(status: .ok, body: Array("\(request.method) \(target) \(fields)".utf8))
        response.requestID = "first"
        guard request.method == .get || request.method == .head else {
            return .read(limit: 100) { [response] (_, _) in response }
        }
        return .respond(response, again: Answer(self))
    }

    func response(to refusal: Refusal, of request: Request) -> Response {
        Response(status: .badRequest, body: Array("\(refusal)".utf8))
    }
}

@Suite("Requests that repeat the connection's latest") struct RepeatedRequestTests {
    private static func get(_ target: String = "/a", _ more: String = "") -> String {
        "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\(more)\r\n"
    }

    private static func id(_ answer: String) -> String? {
        answer.split(separator: "\r\n").first { $0.hasPrefix("X-Request-Id: ") }.map { String($0.dropFirst(14)) }
    }

    @Test("they get the latest answer under ids of their own, and the handler is not asked")
    func repeated() async throws {
        try await withServer { handler, connect in
            let client = try connect()
            client.send(Self.get())
            let first = client.answer()
            #expect(Self.id(first) == "first")
            for number in 1...5 {
                client.send(Self.get())
                let answer = client.answer()
                #expect(Self.id(answer) == "again-\(number)")
                #expect(answer.split(separator: "\r\n").last == first.split(separator: "\r\n").last)
            }
            #expect(handler.counts == .init(accepted: 1, recurred: 5))
            // Three that come in one piece.
            client.send(Self.get() + Self.get() + Self.get())
            #expect((0..<3).map { _ in Self.id(client.answer()) } == ["again-6", "again-7", "again-8"])
            // Each connection has its own.
            let other = try connect()
            other.send(Self.get())
            #expect(Self.id(other.answer()) == "first")
        }
    }

    @Test("when the answer may not be given again the handler is asked, and again when it may")
    func ended() async throws {
        try await withServer { handler, connect in
            let client = try connect()
            func ids(_ count: Int) -> [String?] {
                (0..<count).map { _ in
                    client.send(Self.get())
                    return Self.id(client.answer())
                }
            }
            #expect(ids(2) == ["first", "again-1"])
            handler.state.withLock { $0.mayRecur = false }
            #expect(ids(3) == ["first", "first", "first"])
            handler.state.withLock { $0.mayRecur = true }
            #expect(ids(2) == ["again-2", "again-3"])
        }
    }

    @Test("one that differs in anything is another one, and so is the one after it") func differing() async throws {
        let others = [
            Self.get("/b"), Self.get("/a?"), Self.get("/a?x&y=1"), Self.get("/a?x=y&1"), Self.get("/%61"),
            Self.get("/a", "X: 1\r\n"), Self.get("/a", "X: 2\r\n"), Self.get("/a", "x: 1\r\n"),
            "HEAD /a HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n",
            Self.get("/a", "Connection: keep-alive\r\n"),
            "GET /a HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
        ]
        try await withServer { handler, connect in
            for (first, second) in zip(others + others.reversed(), others.dropFirst() + others) where first != second {
                let client = try connect()
                for (message, isRepeated) in [(first, false), (first, true), (second, false), (second, true)] {
                    let before = handler.counts
                    client.send(message)
                    let answer = message.hasPrefix("HEAD") ? client.text(through: "\r\n\r\n") : client.answer()
                    #expect(answer.hasPrefix("HTTP/1.1 200"))
                    let after = handler.counts
                    #expect(after.accepted - before.accepted == (isRepeated ? 0 : 1), "\(message)")
                    #expect(after.recurred - before.recurred == (isRepeated ? 1 : 0), "\(message)")
                    guard !message.hasPrefix("HEAD") else { continue }
                    let fresh = try connect()
                    fresh.send(message)
                    #expect(Self.body(answer) == Self.body(fresh.answer()))
                }
            }
        }
    }

    @Test("a body, or another request, in between changes nothing") func between() async throws {
        try await withServer { handler, connect in
            let client = try connect()
            for target in ["/a", "/b"] {
                for _ in 0..<2 {
                    client.send(Self.get())
                    #expect(client.answer().contains(#"GET"#))
                    client.send("POST \(target) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab")
                    #expect(client.answer().contains(#"POST"#))
                }
            }
            // The same target in between, and another.
            #expect(handler.counts.recurred == 2)
            client.send(Self.get("/a", "Content-Length: 0\r\n"))
            #expect(Self.id(client.answer()) == "first")
            client.send(Self.get("/a", "Content-Length: 0\r\n"))
            #expect(Self.id(client.answer()) == "again-3")
            client.send(Self.get("/a", "Content-Length: 2\r\n") + "ab")
            #expect(client.answer().contains("Connection: close"))
            #expect(client.isClosed())
        }
    }

    @Test("no change of a byte or two is overlooked because the request before it was sound")
    func mutated() async throws {
        let sound = Self.get("/a?b&c=d", "X: 1 2\r\nY:\r\n")
        let bytes = Array(sound.utf8)
        var mutations: [[UInt8]] = []
        for place in bytes.indices {
            for byte in [0x00, 0x0a, 0x0d, 0x20, 0x3a, 0x26, 0x3d, 0x41] as [UInt8] where bytes[place] != byte {
                var one = bytes
                one[place] = byte
                mutations.append(one)
            }
            guard place + 1 < bytes.count else { continue }
            // As libmicrohttpd leaves a line's end and the next colon, and what it leaves so.
            if bytes[place...].starts(with: "\r\n".utf8), let colon = bytes[place...].firstIndex(of: 0x3a) {
                for end in [[0, 0], [0x0a, 0x3a], [0, 0x0a], [0x0a, 0], [0x0d, 0x3a]] as [[UInt8]] {
                    for byte in [0, 0x0a, 0x3a] as [UInt8] {
                        var hidden = bytes
                        hidden.replaceSubrange(place...place + 1, with: end)
                        hidden[colon] = byte
                        mutations.append(hidden)
                        guard let next = bytes[colon...].firstIndex(of: 0x0d) else { continue }
                        hidden.replaceSubrange(next...next + 1, with: [0x3a, 0x0a])
                        mutations.append(hidden)
                    }
                }
            }
            for pair in [[0, 0], [0, 0x0a], [0x0a, 0], [0x0a, 0x0a], [0x0d, 0]] as [[UInt8]] {
                var two = bytes
                two.replaceSubrange(place...place + 1, with: pair)
                mutations.append(two)
            }
        }
        try await withServer { handler, connect in
            for mutation in mutations {
                let message = String(decoding: mutation, as: UTF8.self)
                let (fresh, kept) = (try connect(), try connect())
                kept.send(sound + sound)
                _ = (kept.answer(), kept.answer())
                // The connection ends in any case.
                for client in [fresh, kept] { client.send(message + Self.get("/end", "Connection: close\r\n")) }
                #expect(Self.anonymous(kept.rest()) == Self.anonymous(fresh.rest()), "\(message.debugDescription)")
            }
            #expect(handler.counts.recurred >= mutations.count)
        }
    }

    @Test("the last one of a connection says so") func last() async throws {
        var configuration = HTTPServer.Configuration()
        configuration.requestsPerConnection = 4
        try await withServer(configuration) { handler, connect in
            let client = try connect()
            for number in 1...4 {
                client.send(Self.get())
                #expect(client.answer().contains("Connection: close") == (number == 4))
            }
            #expect(client.isClosed())
            #expect(handler.counts == .init(accepted: 2, recurred: 2))
        }
    }

    @Test("a header section too long to be kept is asked about each time") func long() async throws {
        try await withServer { handler, connect in
            let client = try connect()
            for _ in 0..<3 {
                client.send(Self.get("/a", "X: \(String(repeating: "x", count: 1024))\r\n"))
                #expect(Self.id(client.answer()) == "first")
            }
            for _ in 0..<3 {
                client.send(Self.get("/\(String(repeating: "x", count: 600))"))
                #expect(Self.id(client.answer()) == "first")
            }
        }
    }

    private static func body(_ answer: String) -> String? { answer.components(separatedBy: "\r\n\r\n").last }

    /// Without what two answers to the same differ in.
    private static func anonymous(_ answers: String) -> [Substring] {
        answers.split(separator: "\r\n").filter { !$0.hasPrefix("X-Request-Id:") && !$0.hasPrefix("Date:") }
    }

    private func withServer(
        _ configuration: HTTPServer.Configuration = .init(),
        _ body: (_ handler: RepeatingHandler, _ connect: @escaping () throws -> RawClient) throws -> Void
    ) async throws {
        let handler = RepeatingHandler()
        try await withUnixServer(configuration, handler) { connect in try body(handler, connect) }
    }
}
