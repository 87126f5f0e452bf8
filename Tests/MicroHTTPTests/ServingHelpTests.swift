import Foundation
import HTTPTypes
import Logging
import Synchronization
import Testing

@testable import MicroHTTP

/// Answers, as soon as somebody works on it, with the names of the threads that took the request and gave the answer.
private final class Desk: RequestHandler {
    private let waiting = Mutex<[@Sendable () -> Void]>([])

    func accept(_ request: Request) -> Disposition {
        let taker = Self.threadName
        return .read(limit: 0) { [self] (_, _) in
            await withCheckedContinuation { continuation in
                waiting.withLock { $0.append { continuation.resume() } }
            }
            return Response(status: .ok, body: Array("\(taker) \(Self.threadName)".utf8))
        }
    }

    func response(to refusal: Refusal, of request: Request) -> Response { Response(status: .serviceUnavailable) }

    var count: Int { waiting.withLock { $0.count } }

    /// Does one piece of work; false says that there is none.
    func work() -> Bool {
        let piece = waiting.withLock { $0.isEmpty ? nil : $0.removeFirst() }
        piece?()
        return piece != nil
    }

    private static var threadName: String {
        (try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8))?.trimmingCharacters(in: .newlines)
            ?? "?"
    }
}

/// A thread that works until it is told to end, and then has ended.
private final class Helper: Sendable {
    private let isOver = Mutex(false)
    private let hasEnded = DispatchSemaphore(value: 0)

    init(_ step: @escaping @Sendable () -> Void) {
        Thread.detachNewThread { [self] in
            try? "helper".write(toFile: "/proc/thread-self/comm", atomically: false, encoding: .utf8)
            while !isOver.withLock(\.self) { step() }
            hasEnded.signal()
        }
    }

    func end() {
        isOver.withLock { $0 = true }
        hasEnded.wait()
    }
}

extension ServingHelp {
    /// As a thread does that has ended a piece of work.
    fileprivate func come(_ waiting: Int) {
        if workEnded(waiting: waiting) { perform() }
    }
}

@Suite("Connections that are served by those who work", .timeLimit(.minutes(2))) struct ServingHelpTests {
    private static let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

    @Test("by those who work while work waits, by the server's own thread otherwise") func turns() async throws {
        let (desk, help) = (Desk(), ServingHelp())
        let isCrowded = Mutex(false)
        try await withServer(desk, help, isCrowded: { isCrowded.withLock(\.self) }) { connect in
            let client = try connect()
            let worker = Helper {
                if desk.work() { help.come(0) } else { usleep(100) }
            }
            defer { worker.end() }
            #expect(Self.ask(client) == "http http")
            isCrowded.withLock { $0 = true }
            // The thread finds out when it has served once more.
            #expect(Self.ask(client).hasPrefix("http "))
            var answers: [String: Int] = [:]
            let helper = Helper {
                help.come(0)
                usleep(100)
            }
            for _ in 0..<20 { answers[Self.ask(client), default: 0] += 1 }
            helper.end()
            // On a busy machine the helper may be late now and then.
            #expect(answers["helper helper", default: 0] >= 10, "\(answers)")
            isCrowded.withLock { $0 = false }
            help.threadIsFree()
            // Who gave the last answer may still be at it.
            var last = ""
            for _ in 0..<100 where last != "http http" { last = Self.ask(client) }
            #expect(last == "http http")
        }
    }

    @Test("by the server's own thread, some milliseconds later, if nobody comes") func nobody() async throws {
        let (desk, help) = (Desk(), ServingHelp())
        try await withServer(desk, help, isCrowded: { true }) { connect in
            let client = try connect()
            // Raises hopes, and does nothing.
            let worker = Helper {
                if desk.work() { _ = help.workEnded(waiting: 0) } else { usleep(100) }
            }
            defer { worker.end() }
            let start = ContinuousClock.now
            for _ in 0..<20 {
                #expect(Self.ask(client) == "http http")
                // Another connection's beginning is seen to as well.
                #expect(Self.ask(try connect()) == "http http")
            }
            #expect(ContinuousClock.now - start < .seconds(2))
        }
    }

    @Test("several answers at a time while there is work to go on with") func several() async throws {
        let (desk, help) = (Desk(), ServingHelp())
        try await withServer(desk, help, isCrowded: { true }) { connect in
            let clients = try (0..<8).map { _ in try connect() }
            for client in clients { client.send(Self.request) }
            for _ in 0..<1000 where desk.count < clients.count { usleep(1000) }
            #expect(desk.count == clients.count)
            var isHeldBack = false
            for _ in 0..<100 where !isHeldBack {
                _ = help.workEnded(waiting: 0)
                // The thread sees to it, and then leaves the connections to others.
                _ = try connect()
                usleep(500)
                help.perform()
                isHeldBack = !help.workEnded(waiting: 100) && help.workEnded(waiting: 0)
            }
            #expect(isHeldBack)
            while desk.work() { help.come(100) }
            for client in clients { #expect(client.answer().contains("http ")) }
        }
    }

    @Test("whatever they do, every request is answered once, and the server ends") func races() async throws {
        let (desk, help) = (Desk(), ServingHelp())
        let crowd = Atomic<Int>(0)
        try await withServer(desk, help, isCrowded: { crowd.load(ordering: .relaxed).isMultiple(of: 3) }) { connect in
            let workers = (0..<3).map { _ in
                Helper {
                    crowd.add(1, ordering: .relaxed)
                    if desk.work() {
                        help.come(desk.count)
                    } else {
                        help.threadIsFree()
                        usleep(50)
                    }
                }
            }
            defer { for worker in workers { worker.end() } }
            let clients = (0..<6).map { _ in
                Task.detached {
                    var answered = 0
                    for round in 0..<4 {
                        let client = try connect()
                        for _ in 0..<(50 + round) where Self.ask(client).contains(" ") { answered += 1 }
                    }
                    return answered
                }
            }
            let done = DispatchSemaphore(value: 0)
            let counts = Mutex<[Int]>([])
            Task {
                for client in clients {
                    let count = (try? await client.value) ?? 0
                    counts.withLock { $0.append(count) }
                }
                done.signal()
            }
            done.wait()
            #expect(counts.withLock(\.self) == Array(repeating: 206, count: 6))
        }
        // Those who have not heard of the server's end do no harm.
        help.come(0)
        help.perform()
        help.threadIsFree()
    }

    private static func ask(_ client: RawClient) -> String {
        client.send(request)
        return String(client.answer().split(separator: "\r\n").last ?? "")
    }

    private func withServer(
        _ desk: Desk, _ help: ServingHelp, isCrowded: @escaping @Sendable () -> Bool,
        _ body: @escaping @Sendable (_ connect: @escaping @Sendable () throws -> RawClient) throws -> Void
    ) async throws {
        help.attach(isCrowded: isCrowded)
        var configuration = HTTPServer.Configuration()
        configuration.threads = 1
        let path = "/tmp/microhttp-\(UUID().uuidString).sock"
        let server = try HTTPServer.start(
            on: [.unix(path: path, mode: 0o600, group: nil)], configuration: configuration, help: help, handler: desk,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        let result = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(returning: Result { try body { try RawClient(path: path) } })
            }
        }
        await server.shutdown(deadline: .seconds(2))
        #expect(server.exchangesInProgress == 0)
        try result.get()
    }
}
