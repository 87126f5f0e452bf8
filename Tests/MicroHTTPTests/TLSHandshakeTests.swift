import Foundation
import HTTPTypes
import TestSupport
import Testing

@testable import MicroHTTP

@Suite("Handshakes") struct TLSHandshakeTests {
    @Test("what is no handshake ends its connection, and hurts nobody") func nonsense() async throws {
        try await TLSBench.with { bench in
            for text in [
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\u{16}\u{03}\u{01}\u{00}\u{05}hello", "\u{00}\u{01}\u{02}",
                String(repeating: "\u{16}\u{03}\u{03}\u{7f}\u{7f}", count: 5000),
            ] {
                let client = try RawClient(port: bench.port)
                client.send(text + String(repeating: "\u{01}", count: 20))
                let answer = client.rest()
                // An alert at most.
                #expect(answer.utf8.count < 20 && !answer.contains("HTTP"), "\(answer)")
            }
            #expect(try await bench.status() == 200)
        }
    }

    @Test("a handshake that stands still, drips or never begins is cut after the idle timeout")
    func halfHandshakes() async throws {
        var configuration = HTTPServer.Configuration()
        configuration.idleTimeoutSeconds = 1
        try await TLSBench.with(configuration) { bench in
            let began = ContinuousClock.now
            let (silent, half, dripping) = (
                try RawClient(port: bench.port), try RawClient(port: bench.port), try RawClient(port: bench.port)
            )
            // The head of a ClientHello of 512 bytes.
            half.send("\u{16}\u{03}\u{01}\u{02}\u{00}\u{01}\u{00}\u{01}\u{7c}\u{03}\u{03}")
            dripping.send("\u{16}\u{03}\u{01}\u{02}\u{00}\u{01}\u{00}\u{01}\u{7c}\u{03}\u{03}")
            for _ in 0..<20 {
                dripping.send("\u{01}")
                try await Task.sleep(for: .milliseconds(200))
            }
            // 4 s have passed: a byte now and then counts for nothing. An alert says good-bye.
            for client in [dripping, half, silent] {
                #expect(client.rest().utf8.count < 20)
            }
            #expect(ContinuousClock.now - began < .seconds(6))
            #expect(try await bench.status() == 200)
        }
    }

    @Test("handshakes that wait keep nobody from being served") func crowd() async throws {
        try await TLSBench.with { bench in
            let crowd = try (0..<200).map { _ in try RawClient(port: bench.port) }
            for client in crowd { client.send("\u{16}\u{03}\u{01}\u{02}\u{00}\u{01}\u{00}") }
            let answer = try await bench.curl(
                ["-o", "/dev/null", "-w", "%{http_code} %{time_total}", bench.url + "/"])
            let (status, time) = (answer.text.prefix(3), Double(answer.text.dropFirst(4)) ?? 99)
            #expect(status == "200")
            #expect(time < 1)
            withExtendedLifetime(crowd) {}
        }
    }
}
