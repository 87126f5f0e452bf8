import Foundation
import HTTPTypes
import Logging
import Synchronization
import Testing

@testable import MicroHTTP

/// A stream that sends what it is given, and notes what is called.
final class ScriptedStream: BodyStream {
    private struct State {
        var pieces: [BodyPiece] = []
        var control: StreamControl?
        var calls: [String] = []
        var reads = 0
    }

    private let state = Mutex(State())
    private let whenEmpty: BodyPiece
    private let lastWords: [BodyPiece]

    /// `whenEmpty` is what it says when it was given nothing, `lastWords` what it gives itself when the server drains.
    init(_ pieces: [BodyPiece] = [], whenEmpty: BodyPiece = .wait, lastWords: [BodyPiece] = []) {
        self.whenEmpty = whenEmpty
        self.lastWords = lastWords
        state.withLock { $0.pieces = pieces }
    }

    /// The calls but for reads, in order.
    var calls: [String] { state.withLock { $0.calls } }
    var reads: Int { state.withLock { $0.reads } }

    func give(_ pieces: BodyPiece...) {
        state.withLock { state in
            state.pieces += pieces
            return state.control
        }?.wake()
    }

    func cut() { state.withLock { $0.control }?.cut() }
    func wake() { state.withLock { $0.control }?.wake() }

    func start(_ control: StreamControl) {
        state.withLock { state in
            state.control = control
            state.calls.append("start")
        }
    }

    func read(atMost limit: Int) -> BodyPiece {
        state.withLock { state in
            if state.calls.contains("ended") || !state.calls.contains("start") { state.calls.append("stray read") }
            state.reads += 1
            return state.pieces.isEmpty ? whenEmpty : state.pieces.removeFirst()
        }
    }

    func drain() {
        state.withLock { state in
            state.calls.append("drain")
            state.pieces += lastWords
        }
    }

    func ended() { state.withLock { $0.calls.append("ended") } }
}

extension BodyPiece {
    static func text(_ text: String) -> BodyPiece { .bytes(Array(text.utf8)) }
}

/// Answers every request with what `accepting` says.
struct ClosureHandler: RequestHandler {
    let accepting: @Sendable (Request) -> Disposition

    func accept(_ request: Request) -> Disposition { accepting(request) }

    func response(to refusal: Refusal, of request: Request) -> Response { Response(status: .serviceUnavailable) }
}

/// A server on a Unix socket and a TCP port.
struct StreamBench {
    static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

    let path: String
    let server: HTTPServer

    func client() throws -> RawClient { try RawClient(path: path) }

    func client(sending text: String) throws -> RawClient {
        let client = try client()
        client.send(text)
        return client
    }

    func tcpClient() throws -> RawClient {
        let address = try #require(server.addresses.first { $0.hasPrefix("http:") })
        return try RawClient(port: try #require(UInt16(address.split(separator: ":").last ?? "")))
    }

    /// Runs `body` with a server, and shuts it down.
    static func with(
        _ configuration: HTTPServer.Configuration = .init(),
        accepting: @escaping @Sendable (Request) -> Disposition, _ body: (StreamBench) async throws -> Void
    ) async throws {
        let path = "/tmp/microhttp-\(UUID().uuidString).sock"
        let server = try HTTPServer.start(
            on: [.unix(path: path, mode: 0o600, group: nil), .tcp(host: "127.0.0.1", port: 0)],
            configuration: configuration, handler: ClosureHandler(accepting: accepting),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        do {
            try await body(StreamBench(path: path, server: server))
        } catch {
            await server.shutdown(deadline: .zero)
            throw error
        }
        await server.shutdown(deadline: .milliseconds(100))
        #expect(server.exchangesInProgress == 0)
    }

    /// Runs `body` with a server that answers every request with `stream`.
    static func with(_ stream: ScriptedStream, _ body: (StreamBench) async throws -> Void) async throws {
        try await with(accepting: { _ in .respond(Response(status: .ok, stream: stream)) }, body)
    }
}

/// An answer with a stream that is kept back until it is served.
final class LateAnswer: Sendable {
    let isAsked = Atomic<Bool>(false)
    let isServed = Atomic<Bool>(false)
    private let stream: ScriptedStream

    init(_ stream: ScriptedStream) { self.stream = stream }

    var disposition: Disposition {
        .read(limit: 0) { (_, _) in
            self.isAsked.store(true, ordering: .relaxed)
            while !self.isServed.load(ordering: .relaxed) { try? await Task.sleep(for: .milliseconds(5)) }
            return Response(status: .ok, stream: self.stream)
        }
    }
}

/// Waits until the condition holds, ten seconds at most.
func until(_ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while !condition() {
        try #require(ContinuousClock.now < deadline, "waited ten seconds in vain")
        try await Task.sleep(for: .milliseconds(5))
    }
}
