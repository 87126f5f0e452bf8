import Foundation
import HTTPTypes
import Logging
import Synchronization
import Testing

@testable import MicroHTTP

/// Answers `/now` at once, `/echo` with the body, `/wait` when the gate opens.
private struct TestHandler: RequestHandler {
    final class Gate: Sendable {
        private let waiting = Mutex<(isOpen: Bool, continuations: [CheckedContinuation<Void, Never>])>((false, []))
        let arrivals = Atomic<Int>(0)

        func pass() async {
            arrivals.add(1, ordering: .relaxed)
            await withCheckedContinuation { continuation in
                let isOpen = waiting.withLock {
                    if !$0.isOpen { $0.continuations.append(continuation) }
                    return $0.isOpen
                }
                if isOpen { continuation.resume() }
            }
        }

        func open() {
            let continuations = waiting.withLock { waiting in
                defer { waiting = (true, []) }
                return waiting.continuations
            }
            for continuation in continuations { continuation.resume() }
        }
    }

    let gate = Gate()

    func accept(_ request: Request) -> Disposition {
        guard case .success(let target) = request.target else {
            return .respond(Response(status: .badRequest, body: Array("target".utf8)))
        }
        switch target.segments.first.map({ String(decoding: $0, as: UTF8.self) }) {
        case "now":
            return .respond(Response(status: .ok, headerFields: [.contentType: "text/plain"], body: Array("now".utf8)))
        case "echo":
            return .read(limit: 1000) { (body, _) in Response(status: .ok, body: body) }
        case "wait":
            return .read(limit: 0) { (_, _) in
                await gate.pass()
                return Response(status: .ok, body: Array("waited".utf8))
            }
        default:
            return .respond(Response(status: .notFound))
        }
    }

    func response(to refusal: Refusal, of request: Request) -> Response {
        switch refusal {
        case .malformed(let why): Response(status: .badRequest, body: Array(why.utf8))
        case .targetTooLong: Response(status: .uriTooLong)
        case .headersTooLarge: Response(status: .requestHeaderFieldsTooLarge)
        case .contentTooLarge: Response(status: .contentTooLarge)
        case .shuttingDown: Response(status: .serviceUnavailable)
        case .certificateRefused(let why): Response(status: .unauthorized, body: Array(why.utf8))
        }
    }
}

@Suite("The server") struct HTTPServerTests {
    private struct Bench {
        let path: String
        let server: HTTPServer
        let handler: TestHandler

        func client() throws -> RawClient { try RawClient(path: path) }
    }

    private func withServer(_ body: (Bench) async throws -> Void) async throws {
        let path = "/tmp/microhttp-\(UUID().uuidString).sock"
        let handler = TestHandler()
        let server = try HTTPServer.start(
            on: [.unix(path: path, mode: 0o600, group: nil)], configuration: .init(), handler: handler,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        do {
            try await body(Bench(path: path, server: server, handler: handler))
        } catch {
            handler.gate.open()
            await server.shutdown(deadline: .seconds(1))
            throw error
        }
        handler.gate.open()
        await server.shutdown(deadline: .seconds(1))
        #expect(server.exchangesInProgress == 0)
    }

    @Test("one connection serves immediate and asynchronous answers in turn") func keepAlive() async throws {
        try await withServer { bench in
            let client = try bench.client()
            for _ in 0..<3 {
                client.send("GET /now HTTP/1.1\r\nHost: a\r\n\r\n")
                let now = client.answer()
                #expect(now.hasPrefix("HTTP/1.1 200"))
                #expect(now.hasSuffix("now"))
                client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
                #expect(client.answer().hasSuffix("\r\n\r\nhello"))
            }
        }
    }

    @Test("HEAD has the length and not the body") func head() async throws {
        try await withServer { bench in
            let client = try bench.client()
            client.send("HEAD /now HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            let answer = client.answer()
            #expect(answer.contains("Content-Length: 3"))
            #expect(answer.hasSuffix("\r\n\r\n"))
        }
    }

    @Test("a chunked body is put together") func chunked() async throws {
        try await withServer { bench in
            let client = try bench.client()
            client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            client.send("2\r\nde\r\n0\r\n\r\n")
            #expect(client.answer().hasSuffix("\r\n\r\nabcde"))
        }
    }

    @Test("an over-long body is refused before it is read, and a chunked one at its end") func tooLarge() async throws {
        try await withServer { bench in
            let announced = try bench.client()
            announced.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
            #expect(announced.answer().hasPrefix("HTTP/1.1 413"))
            #expect(announced.isClosed())

            let chunked = try bench.client()
            chunked.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<3 { chunked.send("190\r\n\(String(repeating: "x", count: 400))\r\n") }
            chunked.send("0\r\n\r\n")
            #expect(chunked.answer().hasPrefix("HTTP/1.1 413"))
            #expect(chunked.isClosed())
        }
    }

    @Test(
        "ambiguous requests are refused and the connection closed",
        arguments: [
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "GET /now HTTP/1.1\r\n\r\n", "GET /now HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        ])
    func ambiguous(request: String) async throws {
        try await withServer { bench in
            let client = try bench.client()
            client.send(request)
            #expect(client.answer().hasPrefix("HTTP/1.1 400"))
            #expect(client.isClosed())
        }
    }

    @Test("a client that hangs up does not stop its request") func hangUp() async throws {
        try await withServer { bench in
            var client: RawClient? = try bench.client()
            client?.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            try await until { bench.handler.gate.arrivals.load(ordering: .relaxed) == 1 }
            client = nil
            #expect(bench.server.exchangesInProgress == 1)
            bench.handler.gate.open()
            try await until { bench.server.exchangesInProgress == 0 }
        }
    }

    @Test("draining answers what runs, closes what is idle and refuses who comes") func drain() async throws {
        try await withServer { bench in
            let (running, idle, silent) = (try bench.client(), try bench.client(), try bench.client())
            idle.send("GET /now HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = idle.answer()
            running.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            try await until { bench.handler.gate.arrivals.load(ordering: .relaxed) == 1 }
            async let shutdown: Void = bench.server.shutdown(deadline: .seconds(5))
            #expect(idle.isClosed())
            #expect(silent.isClosed())
            #expect(throws: POSIXError.self) { try bench.client() }
            bench.handler.gate.open()
            let answer = running.answer()
            #expect(answer.hasSuffix("waited"))
            #expect(answer.contains("Connection: close"))
            #expect(running.isClosed())
            await shutdown
        }
    }

    @Test("a request whose headers are under way when draining begins is answered") func drainHalfRequest() async throws
    {
        try await withServer { bench in
            let client = try bench.client()
            client.send("GET /now HTTP/1.1\r\nHo")
            try await Task.sleep(for: .milliseconds(50))
            async let shutdown: Void = bench.server.shutdown(deadline: .seconds(5))
            try await Task.sleep(for: .milliseconds(100))
            client.send("st: a\r\n\r\n")
            #expect(client.answer().hasSuffix("now"))
            #expect(client.isClosed())
            await shutdown
        }
    }

    @Test("who had connected and not been accepted when draining begins is answered", arguments: [false, true])
    func drainQueue(isTCP: Bool) async throws {
        let path = "/tmp/microhttp-\(UUID().uuidString).sock"
        let handler = TestHandler()
        var configuration = HTTPServer.Configuration()
        // Two threads with room for one connection each: the others wait in the kernel's queue.
        configuration.connectionLimit = 2
        let server = try HTTPServer.start(
            on: [isTCP ? .tcp(host: "127.0.0.1", port: 0) : .unix(path: path, mode: 0o600, group: nil)],
            configuration: configuration, handler: handler,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        let port = UInt16(server.addresses[0].split(separator: ":").last ?? "") ?? 0
        let clients = try (0..<6).map { _ in try isTCP ? RawClient(port: port) : RawClient(path: path) }
        for client in clients { client.send("GET /now HTTP/1.1\r\nHost: a\r\n\r\n") }
        #expect(clients[0].answer().hasSuffix("now"))
        await server.shutdown(deadline: .seconds(5))
        for client in clients.dropFirst() { #expect(client.answer().hasSuffix("now")) }
    }

    @Test("a hurried shutdown does not wait for the deadline") func hurry() async throws {
        try await withServer { bench in
            let client = try bench.client()
            client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            try await until { bench.handler.gate.arrivals.load(ordering: .relaxed) == 1 }
            async let shutdown: Void = bench.server.shutdown(deadline: .seconds(30))
            try await Task.sleep(for: .milliseconds(50))
            let began = ContinuousClock.now
            bench.server.hurry()
            #expect(client.answer().hasPrefix("HTTP/1.1 503"))
            await shutdown
            #expect(ContinuousClock.now - began < .seconds(5))
        }
    }

    @Test("what outlasts the deadline is answered 503, and its late answer ignored") func deadline() async throws {
        try await withServer { bench in
            let client = try bench.client()
            client.send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
            try await until { bench.handler.gate.arrivals.load(ordering: .relaxed) == 1 }
            await bench.server.shutdown(deadline: .milliseconds(50))
            #expect(client.answer().hasPrefix("HTTP/1.1 503"))
        }
    }

    @Test("a socket left behind is replaced, one in use and other files are not touched") func socketFile() async throws
    {
        try await withServer { bench in
            let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            func start(_ path: String) throws -> HTTPServer {
                try HTTPServer.start(
                    on: [.unix(path: path, mode: 0o600, group: nil)], configuration: .init(), handler: TestHandler(),
                    logger: logger)
            }
            #expect(throws: ListenError.self) { try start(bench.path) }
            let file = bench.path + ".file"
            _ = FileManager.default.createFile(atPath: file, contents: Data())
            defer { unlink(file) }
            #expect(throws: ListenError.self) { try start(file) }

            let stale = bench.path + ".stale"
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: stale.utf8) }
            let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
            let bound = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            #expect(bound == 0)
            close(descriptor)
            let server = try start(stale)
            await server.shutdown(deadline: .zero)
        }
    }

    @Test("of servers that start at once on one path one is started, and it answers") func startRace() async throws {
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        for _ in 0..<100 {
            let path = "/tmp/microhttp-\(UUID().uuidString).sock"
            let servers = await withTaskGroup(of: HTTPServer?.self, returning: [HTTPServer].self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        try? HTTPServer.start(
                            on: [.unix(path: path, mode: 0o600, group: nil)], configuration: .init(),
                            handler: TestHandler(), logger: logger)
                    }
                }
                return await group.reduce(into: []) { $0 += [$1].compactMap(\.self) }
            }
            #expect(servers.count == 1)
            let client = try RawClient(path: path)
            client.send("GET /now HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(client.answer().hasSuffix("now"))
            for server in servers { await server.shutdown(deadline: .zero) }
            #expect(!FileManager.default.fileExists(atPath: path + ".lock"))
        }
    }

    @Test("after a shutdown the socket is gone, and another server can have its path") func afterwards() async throws {
        let path = "/tmp/microhttp-\(UUID().uuidString).sock"
        var servers: [HTTPServer] = []
        for _ in 0..<50 {
            servers.append(
                try HTTPServer.start(
                    on: [.unix(path: path, mode: 0o600, group: nil)], configuration: .init(), handler: TestHandler(),
                    logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })))
            await servers.last?.shutdown(deadline: .zero)
            #expect(!FileManager.default.fileExists(atPath: path))
        }
        #expect(servers.count == 50)
    }
}
