import Foundation
import HTTPTypes
import Logging
import Synchronization
import Testing

@testable import MicroHTTP

/// Says that the answer is near, and gives it after as many microseconds as the path says.
private struct HintingHandler: RequestHandler {
    func accept(_ request: Request) -> Disposition {
        guard case .success(let target) = request.target, let delay = Self.number(target.segments.first) else {
            return .respond(Response(status: .notFound))
        }
        if let foretold = Self.number(target.segments.dropFirst().first) { return Self.foretelling(foretold, delay) }
        return .read(limit: 0) { (_, near) in
            // While the connection's thread is still here.
            if delay.isMultiple(of: 2) { near.hint() }
            return await withCheckedContinuation { continuation in
                // A thread of its own, as the kernel's workers are to a handler.
                Thread.detachNewThread {
                    usleep(delay.isMultiple(of: 2) ? 30 : 300)
                    near.hint()
                    if delay > 0 { usleep(delay) }
                    near.hint()
                    continuation.resume(returning: Response(status: .ok, body: Array("\(delay)".utf8)))
                    near.hint()
                }
            }
        }
    }

    private static func number(_ segment: [UInt8]?) -> UInt32? {
        segment.flatMap { UInt32(String(decoding: $0, as: UTF8.self)) }
    }

    /// Says in how many microseconds the answer will be near, and gives it after as many as it says.
    private static func foretelling(_ foretold: UInt32, _ delay: UInt32) -> Disposition {
        .read(limit: 0) { (_, near) in
            near.hint(in: .microseconds(foretold))
            return await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    let end = ContinuousClock.now + .microseconds(delay)
                    while ContinuousClock.now < end { usleep(20) }
                    near.hint()
                    continuation.resume(returning: Response(status: .ok, body: Array("\(delay)".utf8)))
                }
            }
        }
    }

    func response(to refusal: Refusal, of request: Request) -> Response { Response(status: .badRequest) }
}

/// Answers with what the kernel says of the connection's thread.
private struct SchedulingHandler: RequestHandler {
    func accept(_ request: Request) -> Disposition {
        let facts = (try? String(contentsOfFile: "/proc/thread-self/sched", encoding: .utf8)) ?? "none"
        return .respond(Response(status: .ok, body: Array(facts.utf8)))
    }

    func response(to refusal: Refusal, of request: Request) -> Response { Response(status: .badRequest) }
}

@Suite("Answers that are said to be near") struct NearAnswerTests {
    @Test("an answer that is not as near as was said keeps the thread from other connections for a moment only")
    func bounded() async throws {
        var configuration = HTTPServer.Configuration()
        configuration.threads = 1
        try await withServer(configuration) { path in
            let (slow, other) = (try RawClient(path: path), try RawClient(path: path))
            slow.send("GET /900000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            usleep(10_000)
            let time = ContinuousClock().measure {
                other.send("GET /0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                #expect(other.answer().hasPrefix("HTTP/1.1 200"))
            }
            #expect(time < .milliseconds(500))
            #expect(slow.answer().hasSuffix("900000"))
        }
    }

    @Test(
        "an answer arrives once, whether it is near when that was foretold, before or after",
        arguments: [(300, 0), (300, 300), (300, 700), (1, 100), (900, 5000), (50_000, 100)])
    func foretold(foretold: Int, delay: Int) async throws {
        try await withServer(HTTPServer.Configuration()) { path in
            let client = try RawClient(path: path)
            let time = try ContinuousClock().measure {
                for _ in 0..<100 {
                    client.send("GET /\(delay)/\(foretold) HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    let answer = client.answer()
                    try #require(answer.hasPrefix("HTTP/1.1 200") && answer.hasSuffix("\(delay)"))
                }
            }
            // Not 100 times 50 ms.
            #expect(time < .seconds(3))
        }
    }

    @Test("a thread that rests until an answer is near need not be woken") func rests() async throws {
        var configuration = HTTPServer.Configuration()
        configuration.threads = 1
        func resumptions(path target: String) async throws -> Int {
            var count = 0
            try await withServer(configuration) { path, server in
                let client = try RawClient(path: path)
                for _ in 0..<100 {
                    client.send("GET \(target) HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    #expect(client.answer().hasPrefix("HTTP/1.1 200"))
                }
                count = server.core.resumptions.load(ordering: .relaxed)
            }
            return count
        }
        // A thread that is kept from its processor may see an answer that came long after the time to look out for it.
        #expect(try await resumptions(path: "/5000/0") >= 95)
        // On a busy machine, or a sanitizer's, many are later than was foretold.
        #expect(try await resumptions(path: "/300/900") < 90)
    }

    @Test("a thread that rests serves another connection at once") func restIsLight() async throws {
        var configuration = HTTPServer.Configuration()
        configuration.threads = 1
        try await withServer(configuration) { path in
            let (resting, other) = (try RawClient(path: path), try RawClient(path: path))
            func ask() -> Duration {
                ContinuousClock().measure {
                    other.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    #expect(other.answer().hasPrefix("HTTP/1.1 404"))
                }
            }
            let usual = (0..<50).map { _ in ask() }.sorted()[25]
            let times = (0..<50).map { _ in
                resting.send("GET /1500/1000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                usleep(150)
                let time = ask()
                #expect(resting.answer().hasPrefix("HTTP/1.1 200"))
                return time
            }
            // Had it to wait for the end of the rest, it would be 800 microseconds more.
            #expect(times.sorted()[25] < usual + .microseconds(500))
        }
    }

    @Test(
        "an answer arrives once, whether it is as near as was said or not",
        arguments: [0, 1, 20, 21, 140, 141, 160, 161, 5000])
    func hinted(delay: Int) async throws {
        try await withServer(HTTPServer.Configuration()) { path in
            let client = try RawClient(path: path)
            for _ in 0..<200 {
                client.send("GET /\(delay) HTTP/1.1\r\nHost: localhost\r\n\r\n")
                let answer = client.answer()
                #expect(answer.hasPrefix("HTTP/1.1 200") && answer.hasSuffix("\(delay)"))
            }
        }
    }

    @Test("a connection's thread is given a processor soon, where the kernel takes such wishes") func prompt()
        async throws
    {
        try await withServer(HTTPServer.Configuration(), handler: SchedulingHandler()) { path, _ in
            let client = try RawClient(path: path)
            client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            let answer = client.answer()
            let slice = answer.split(separator: "\n").first { $0.hasPrefix("se.slice") }
            // Before Linux 6.12, and without CONFIG_SCHED_DEBUG, there is no such line.
            #expect(slice.map { $0.hasSuffix(" 100000") } ?? true, "\(answer)")
            let own = try String(contentsOfFile: "/proc/thread-self/sched", encoding: .utf8)
            #expect(own.contains("se.slice") == (slice != nil))
        }
    }

    private func withServer(
        _ configuration: HTTPServer.Configuration, _ body: (_ path: String) throws -> Void
    ) async throws {
        try await withServer(configuration) { path, _ in try body(path) }
    }

    private func withServer(
        _ configuration: HTTPServer.Configuration, handler: some RequestHandler = HintingHandler(),
        _ body: (_ path: String, _ server: HTTPServer) throws -> Void
    ) async throws {
        let path = "/tmp/microhttp-\(UUID().uuidString).sock"
        let server = try HTTPServer.start(
            on: [.unix(path: path, mode: 0o600, group: nil)], configuration: configuration,
            handler: handler, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        do {
            try body(path, server)
        } catch {
            await server.shutdown(deadline: .seconds(1))
            throw error
        }
        await server.shutdown(deadline: .seconds(5))
        #expect(server.exchangesInProgress == 0)
    }
}
