import Foundation
import HTTPTypes
import Logging
import Testing

@testable import MicroHTTP

/// Says that the answer is near, and gives it after as many microseconds as the path says.
private struct HintingHandler: RequestHandler {
    func accept(_ request: Request) -> Disposition {
        guard case .success(let target) = request.target,
            let delay = target.segments.first.flatMap({ UInt32(String(decoding: $0, as: UTF8.self)) })
        else { return .respond(Response(status: .notFound)) }
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

    private func withServer(
        _ configuration: HTTPServer.Configuration, _ body: (_ path: String) throws -> Void
    ) async throws {
        let path = "/tmp/microhttp-\(UUID().uuidString).sock"
        let server = try HTTPServer.start(
            on: [.unix(path: path, mode: 0o600, group: nil)], configuration: configuration,
            handler: HintingHandler(), logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        do {
            try body(path)
        } catch {
            await server.shutdown(deadline: .seconds(1))
            throw error
        }
        await server.shutdown(deadline: .seconds(5))
        #expect(server.exchangesInProgress == 0)
    }
}
