import HTTPTypes
import Synchronization
import Testing

@testable import MicroHTTP

@Suite("Unwanted bodies") struct DiscardTests {
    private static let limit = 100_000

    /// A server that wants no body, and how many answers it was asked for.
    private func withServer(_ body: (StreamBench, AnswerCount) async throws -> Void) async throws {
        let answers = AnswerCount()
        let discard: @Sendable (Request) -> Disposition = { _ in
            .discard(limit: Self.limit) {
                answers.count.add(1, ordering: .relaxed)
                return Response(status: .forbidden, body: Array("no".utf8))
            }
        }
        try await StreamBench.with(accepting: discard) { try await body($0, answers) }
    }

    private final class AnswerCount: Sendable {
        let count = Atomic<Int>(0)
    }

    private func post(length: Int) -> String { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(length)\r\n\r\n" }

    @Test("one up to the limit is thrown away, and its connection goes on behind it", arguments: [0, 1, 1000, limit])
    func small(length: Int) async throws {
        try await withServer { (bench, _) in
            let client = try bench.client()
            for _ in 0..<3 {
                client.send(post(length: length))
                client.send(String(repeating: "x", count: length))
                let answer = client.answer()
                #expect(answer.hasPrefix("HTTP/1.1 403"))
                #expect(answer.hasSuffix("\r\n\r\nno"))
            }
        }
    }

    @Test(
        "one that is announced to be longer is refused before it comes, and nobody is asked",
        arguments: [limit + 1, .max])
    func announced(length: Int) async throws {
        try await withServer { (bench, answers) in
            let client = try bench.client(sending: post(length: length))
            // What the handler of the bench says to every refusal of the server's.
            #expect(client.answer().hasPrefix("HTTP/1.1 503"))
            #expect(client.isClosed())
            #expect(answers.count.load(ordering: .relaxed) == 0)
        }
    }

    @Test("a client that sends more than it was asked for finds its answer all the same")
    func impatient() async throws {
        try await withServer { (bench, _) in
            for client in [try bench.client(), try bench.tcpClient()] {
                client.send(post(length: 4 * Self.limit))
                for _ in 0..<4 { client.send(String(repeating: "x", count: Self.limit)) }
                #expect(client.answer().hasPrefix("HTTP/1.1 503"))
            }
        }
    }

    @Test("chunks beyond the limit are cut off") func chunked() async throws {
        try await withServer { (bench, answers) in
            let chunk = "2710\r\n\(String(repeating: "x", count: 10_000))\r\n"
            let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            let short = try bench.client(sending: head)
            for _ in 0..<10 { short.send(chunk) }
            short.send("0\r\n\r\n")
            #expect(short.answer().hasPrefix("HTTP/1.1 403"))
            let long = try bench.client(sending: head)
            for _ in 0..<11 { long.send(chunk) }
            #expect(long.isClosed())
            #expect(answers.count.load(ordering: .relaxed) == 1)
        }
    }
}
