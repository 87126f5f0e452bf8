import Foundation
import TestSupport
import Testing

@Suite("The event reader", .timeLimit(.minutes(1)))
struct EventReaderTests {
    private static let head = """
        HTTP/1.1 200 OK\r
        Server: netnsd/0.1.0\r
        X-Request-Id: a\r
        Content-Type: text/event-stream\r
        Transfer-Encoding: chunked\r
        \r\n
        """
    private static let comment = "a\r\n: netnsd\n\n\r\n"
    private static let time = "2026-01-31T12:00:00.000Z"

    @Test(
        "Events are told apart wherever the chunks are cut, with and without a last chunk",
        arguments: [1, 2, 3, 5, 13, 64, 113, 400]
    )
    func chunks(size: Int) async throws {
        let bytes = Array((": heartbeat\n\n" + event(7) + event(9)).utf8)
        let parts = stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
        let chunks = parts.map { "\(String($0.count, radix: 16))\r\n\(String(decoding: $0, as: UTF8.self))\r\n" }
        let end = size.isMultiple(of: 2) ? "0\r\n\r\n" : ""
        let events = try await read(Self.head + Self.comment + chunks.joined() + end)
        #expect(events.map(\.revision) == [7, 9])
        #expect(events.map(\.type) == ["deleted", "deleted"])
        #expect(events.map(\.name) == ["blue", "blue"])
    }

    @Test(
        "What is no stream of events, or not as described, is an error",
        arguments: [
            "id: 1\nevent: deleted\n\n", "event: deleted\nid: 1\ndata: {}\n\n", "id: 1\nevent: deleted\ndata: {}\n\n",
            "data: {}\n\n", "id: x\nevent: deleted\ndata: {}\n\n",
            """
            id: 2\nevent: deleted
            data: {"revision":1,"type":"deleted","at":"\(time)","name":"a","namespace":null}\n\n
            """,
            """
            id: 1\nevent: vanished
            data: {"revision":1,"type":"deleted","at":"\(time)","name":"a","namespace":null}\n\n
            """,
            """
            id: 1\nevent: created
            data: {"revision":1,"type":"created","at":"\(time)","name":"a","namespace":null}\n\n
            """,
        ])
    func notAsDescribed(_ text: String) async throws {
        let chunk = "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n"
        await #expect(throws: TestFailure.self) { try await read(Self.head + Self.comment + chunk) }
    }

    @Test("An answer that is no stream, and a stream without its first comment, are errors")
    func noStream() async throws {
        let gone = "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
        await #expect(throws: TestFailure.self) { try await read(gone) }
        await #expect(throws: TestFailure.self) { try await read(Self.head + "c\r\n: heartbeat\n\n\r\n") }
        await #expect(throws: TestFailure.self) { try await read(Self.head) }
    }

    private func event(_ revision: Int) -> String {
        """
        id: \(revision)\nevent: deleted
        data: {"revision":\(revision),"type":"deleted","at":"\(Self.time)","name":"blue","namespace":null}\n\n
        """
    }

    /// The events of a server that sends `text` and hangs up.
    private func read(_ text: String) async throws -> [StreamEvent] {
        let path = "/tmp/netnsd-test-\(UUID().uuidString.prefix(8)).socket"
        defer { unlink(path) }
        let server = try OneAnswer(path: path, text: text)
        defer { server.close() }
        let validator = ExchangeValidator(try OpenAPIDocument())
        return try await offload {
            let reader = try EventReader(.unix(path), validator: validator)
            var events: [StreamEvent] = []
            while let event = try reader.next() { events.append(event) }
            return events
        }
    }
}

/// A server that gives one connection an answer, whatever it asks, and hangs up.
private struct OneAnswer {
    private let listener: Int32

    init(path: String, text: String) throws {
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0, listen(listener, 1) == 0 else { throw TestFailure("no listener at \(path)") }
        Thread.detachNewThread { [listener] in
            let connection = accept(listener, nil, nil)
            var request = [UInt8](repeating: 0, count: 4096)
            _ = recv(connection, &request, request.count, 0)
            let bytes = Array(text.utf8)
            _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            _ = Foundation.close(connection)
        }
    }

    func close() { _ = Foundation.close(listener) }
}
