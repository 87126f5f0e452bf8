import Foundation
import HTTPTypes
import Logging
import MicroHTTP
import Synchronization
import Testing

/// Answers everything with `now`.
private struct NowHandler: RequestHandler {
    func accept(_ request: Request) -> Disposition { .respond(Response(status: .ok, body: Array("now".utf8))) }
    func response(to refusal: Refusal, of request: Request) -> Response { Response(status: .badRequest) }
}

@Suite("Accepting connections") struct AcceptorTests {
    private func start(at path: String, connectionLimit: Int = 1024) throws -> HTTPServer {
        var configuration = HTTPServer.Configuration()
        configuration.connectionLimit = connectionLimit
        return try HTTPServer.start(
            on: [.unix(path: path, mode: 0o600, group: nil)], configuration: configuration, handler: NowHandler(),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    private var newPath: String { "/tmp/microhttp-\(UUID().uuidString).sock" }

    private static let request = "GET /now HTTP/1.1\r\nHost: a\r\n\r\n"

    @Test("who comes to a full house waits until somebody leaves") func fullHouse() async throws {
        let path = newPath
        let server = try start(at: path, connectionLimit: 3)
        var clients = try (0..<3).map { _ in try RawClient(path: path) }
        for client in clients {
            client.send(Self.request)
            #expect(client.answer().hasSuffix("now"))
        }
        for _ in 0..<20 {
            let next = try RawClient(path: path)
            next.send(Self.request)
            #expect(!next.hasAnswer(within: 20))
            clients.removeFirst()
            #expect(next.answer().hasSuffix("now"))
            clients.append(next)
        }
        await server.shutdown(deadline: .zero)
    }

    /// How many answers each of several clients has had.
    private final class Scores: Sendable {
        private let counts: Mutex<[Int]>

        init(of clients: Int) { counts = Mutex(Array(repeating: 0, count: clients)) }

        func add(to client: Int) { counts.withLock { $0[client] += 1 } }
        var least: Int { counts.withLock { $0.min() ?? 0 } }
    }

    @Test("a server that ends amid traffic and arrivals ends in order") func endings() async throws {
        for _ in 0..<100 {
            let path = newPath
            let server = try start(at: path)
            let scores = Scores(of: 5)
            await withTaskGroup { group in
                for number in 0..<4 {
                    group.addTask {
                        await onThread {
                            guard let client = try? RawClient(path: path) else { return }
                            client.send(Self.request)
                            while client.answer().hasSuffix("now") {
                                scores.add(to: number)
                                client.send(Self.request)
                            }
                        }
                    }
                }
                group.addTask {
                    await onThread {
                        while let client = try? RawClient(path: path) {
                            client.send(Self.request)
                            if client.answer().hasSuffix("now") { scores.add(to: 4) }
                        }
                    }
                }
                let end = ContinuousClock.now + .seconds(10)
                while scores.least < 3, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(1)) }
                #expect(scores.least >= 3)
                await server.shutdown(deadline: .seconds(5))
            }
        }
    }
}

/// Runs something that blocks where it may.
private func onThread(_ body: @escaping @Sendable () -> Void) async {
    await withCheckedContinuation { continuation in
        Thread.detachNewThread {
            body()
            continuation.resume()
        }
    }
}
