import Foundation
import HTTPTypes
import Synchronization
import Testing

@testable import MicroHTTP

@Suite("Shutting down with streams") struct StreamShutdownTests {
    @Test("streams are drained at once, and end in their own words") func drained() async throws {
        let stream = ScriptedStream(lastWords: [.text("bye"), .end])
        try await StreamBench.with(stream) { bench in
            let client = try bench.client(sending: StreamBench.get)
            _ = client.text(through: "\r\n\r\n")
            let began = ContinuousClock.now
            await bench.server.shutdown(deadline: .seconds(8))
            #expect(ContinuousClock.now - began < .seconds(4))
            #expect(client.rest() == "3\r\nbye\r\n0\r\n\r\n")
        }
        #expect(stream.calls == ["start", "drain", "ended"])
    }

    @Test("a stream that never ends is cut at the deadline, and its wakes may go on") func endless() async throws {
        let stream = ScriptedStream()
        let isOver = Atomic<Bool>(false)
        let noise = Thread {
            while !isOver.load(ordering: .relaxed) { stream.wake() }
        }
        try await StreamBench.with(stream) { bench in
            let client = try bench.client(sending: StreamBench.get)
            _ = client.text(through: "\r\n\r\n")
            noise.start()
            await bench.server.shutdown(deadline: .milliseconds(100))
            #expect(bench.server.exchangesInProgress == 0)
            #expect(client.rest().isEmpty)
        }
        isOver.store(true, ordering: .relaxed)
        #expect(stream.calls == ["start", "drain", "ended"])
    }

    @Test("a stream that is blocked on a full socket is cut at the deadline", arguments: [false, true])
    func blocked(isTCP: Bool) async throws {
        let stream = ScriptedStream(whenEmpty: .bytes([UInt8](repeating: 0x61, count: 4000)))
        try await StreamBench.with(stream) { bench in
            let client = try isTCP ? bench.tcpClient() : bench.client()
            client.send(StreamBench.get)
            try await untilBlocked(stream)
            await bench.server.shutdown(deadline: .milliseconds(100))
            #expect(bench.server.exchangesInProgress == 0)
            #expect(stream.calls == ["start", "drain", "ended"])
            #expect(!client.rest().hasSuffix("0\r\n\r\n"))
        }
    }

    @Test("a stream whose answer comes while the server drains is drained as it starts") func lateStart() async throws {
        let stream = ScriptedStream(lastWords: [.text("bye"), .end])
        let late = LateAnswer(stream)
        try await StreamBench.with(accepting: { _ in late.disposition }) { bench in
            let client = try bench.client(sending: StreamBench.get)
            try await until { late.isAsked.load(ordering: .relaxed) }
            async let shutdown: Void = bench.server.shutdown(deadline: .seconds(8))
            try await Task.sleep(for: .milliseconds(50))
            late.isServed.store(true, ordering: .relaxed)
            #expect(client.rest().hasSuffix("\r\n\r\n3\r\nbye\r\n0\r\n\r\n"))
            await shutdown
        }
        #expect(stream.calls == ["start", "drain", "ended"])
    }

    @Test("many streams in every state leave no descriptor behind, and each ends once") func many() async throws {
        // A server's first start may open descriptors that the process keeps.
        try await StreamBench.with(ScriptedStream()) { _ in }
        let before = try await settledDescriptors()
        for round in 0..<3 {
            let streams = (0..<60).map { number in
                switch number % 3 {
                case 0: ScriptedStream(lastWords: [.text("bye"), .end])
                case 1: ScriptedStream()
                default: ScriptedStream(whenEmpty: .bytes([UInt8](repeating: 0x61, count: 1000)))
                }
            }
            let requests = Atomic<Int>(0)
            let next: @Sendable (Request) -> Disposition = { _ in
                .respond(Response(status: .ok, stream: streams[requests.add(1, ordering: .relaxed).oldValue]))
            }
            let isOver = Atomic<Bool>(false)
            let noise = Thread {
                while !isOver.load(ordering: .relaxed) { for stream in streams { stream.wake() } }
            }
            try await StreamBench.with(accepting: next) { bench in
                var clients = try streams.map { _ in try bench.client(sending: StreamBench.get) }
                try await until { streams.allSatisfy { $0.reads > 0 } }
                noise.start()
                try #require(try descriptors() >= before + 120)
                clients.removeLast(20)
                await bench.server.shutdown(deadline: .milliseconds(50 * round))
                #expect(bench.server.exchangesInProgress == 0)
            }
            isOver.store(true, ordering: .relaxed)
            #expect(streams.allSatisfy { $0.calls.first == "start" && $0.calls.last == "ended" })
            #expect(streams.allSatisfy { $0.calls.count <= 3 })
        }
        #expect(try await settledDescriptors() <= before)
    }

    /// How many descriptors there are, once those of what ran before are closed.
    private func settledDescriptors() async throws -> Int {
        var (count, sightings) = (try descriptors(), 0)
        while sightings < 20 {
            try await Task.sleep(for: .milliseconds(10))
            let next = try descriptors()
            (count, sightings) = (next, next == count ? sightings + 1 : 0)
        }
        return count
    }

    private func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
    }
}
