import Foundation
import HTTPTypes
import Logging
import Synchronization
import Testing

@testable import MicroHTTP

@Suite("The options of sockets") struct SocketOptionsTests {
    /// Keeps what is logged.
    private struct Recorder: LogHandler {
        final class Lines: Sendable {
            let texts = Mutex<[String]>([])
        }

        let lines: Lines
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.texts.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
        }
    }

    private struct Handler: RequestHandler {
        func accept(_ request: Request) -> Disposition { .respond(Response(status: .ok, body: [0x61])) }
        func response(to refusal: Refusal, of request: Request) -> Response { Response(status: .badRequest) }
    }

    @Test("libmicrohttpd learns that a Unix socket has none of TCP's, and does not complain of it at each answer")
    func unixSocket() async throws {
        let lines = Recorder.Lines()
        let logger = Logger(label: "test", factory: { _ in Recorder(lines: lines) })
        try await withUnixServer(.init(), Handler(), logger) { connect in
            let client = try connect()
            for _ in 0..<5 {
                client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                #expect(client.answer().hasPrefix("HTTP/1.1 200"))
            }
            // What it does complain of is heard.
            client.send("GET\r\n\r\n")
            _ = client.rest()
        }
        let complaints = lines.texts.withLock(\.self).filter { $0.hasPrefix("libmicrohttpd") }
        #expect(!complaints.isEmpty && complaints.allSatisfy { !$0.contains("TCP_") }, "\(complaints)")
    }

    @Test("TCP's options are TCP's as ever") func tcp() throws {
        let pairs: [(domain: CInt, errno: CInt)] = [(AF_INET, 0), (AF_UNIX, ENOPROTOOPT)]
        for (domain, expected) in pairs {
            let descriptor = socket(domain, CInt(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var on: CInt = 1
            let size = socklen_t(MemoryLayout<CInt>.size)
            let status = setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, size)
            #expect((status == 0 ? 0 : errno) == expected)
            var value: CInt = 0
            var length = size
            if getsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &value, &length) == 0 { #expect(value == 1) }
            #expect(setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &on, size) == 0)
        }
        var on: CInt = 1
        let refused = setsockopt(-1, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        #expect(refused == -1 && errno == EBADF)
    }
}
