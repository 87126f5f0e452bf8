import HTTPTypes
import Testing

@testable import MicroHTTP

@Suite("Slow clients") struct SlowClientTests {
    private func dripping(_ client: RawClient, _ text: String, every pause: Duration) async throws {
        for character in text {
            client.send(String(character))
            try await Task.sleep(for: pause)
        }
    }

    @Test("a body that is never idle and never ends is cut when its request is too old") func drip() async throws {
        var configuration = HTTPServer.Configuration()
        configuration.requestSeconds = 1
        let echo: @Sendable (Request) -> Disposition = { _ in
            .read(limit: 100) { (body, _) in Response(status: .ok, body: body) }
        }
        try await StreamBench.with(configuration, accepting: echo) { bench in
            let slow = try bench.client(sending: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n")
            let began = ContinuousClock.now
            try await dripping(slow, String(repeating: "x", count: 26), every: .milliseconds(50))
            #expect(slow.isClosed())
            #expect(ContinuousClock.now - began < .seconds(5))
            try await until { bench.server.exchangesInProgress == 0 }
        }
    }

    @Test("a body that is slow and in time is taken, on a connection of any age") func inTime() async throws {
        var configuration = HTTPServer.Configuration()
        configuration.requestSeconds = 1
        let echo: @Sendable (Request) -> Disposition = { _ in
            .read(limit: 100) { (body, _) in Response(status: .ok, body: body) }
        }
        try await StreamBench.with(configuration, accepting: echo) { bench in
            let client = try bench.client()
            for _ in 0..<4 {
                client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
                try await dripping(client, "hello", every: .milliseconds(60))
                #expect(client.answer().hasSuffix("\r\n\r\nhello"))
            }
        }
    }
}
