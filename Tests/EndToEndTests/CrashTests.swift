import Foundation
import TestSupport
import Testing

@Suite("Restarts", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct CrashTests {
    @Test("After kill -9 while creating, all that is there can be listed and deleted", arguments: [30, 120, 250])
    func killed(milliseconds: Int) async throws {
        try await withHome { home in
            let first = try await Daemon(home: home)
            let endpoint = try first.endpoint()
            let creating = Task.detached {
                try await offload {
                    let connection = try RawConnection(endpoint)
                    for index in 0..<10000 {
                        _ = try connection.exchange("POST", "/v1/namespaces", body: "{\"name\":\"n\(index)\"}")
                    }
                }
            }
            // From the first namespace on, or a slow machine would be killed before it began.
            let deadline = ContinuousClock.now + .seconds(20)
            while home.names.isEmpty, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(1)) }
            try await Task.sleep(for: .milliseconds(milliseconds))
            try await first.kill()
            _ = await creating.result
            #expect(!home.names.isEmpty)

            let second = try await Daemon(home: home)
            try await ending(second) {
                #expect(Set(home.records).isSubset(of: Set(home.names)), "a stale record")
                let list = try await second.send("GET", "/v1/namespaces?limit=1000").json
                let names = try #require(list["namespaces"]?.array).compactMap { $0["name"]?.string }
                #expect(names.sorted() == home.names)
                for name in names {
                    #expect(try await second.send("DELETE", "/v1/namespaces/\(name)").status == 204)
                }
                #expect(home.names.isEmpty)
                #expect(home.records.isEmpty)
                #expect(try Resources.mountPoints(below: home.netnsDirectory).isEmpty)
            }
        }
    }

    @Test("SIGTERM ends the daemon with status 0; namespaces and their origin stay across the restart")
    func restart() async throws {
        try await withHome { home in
            let first = try await Daemon(home: home)
            let before = try await ending(first) {
                try await first.send("PUT", "/v1/namespaces/a")
                let before = try await first.send("GET", "/v1/namespaces/a").json
                #expect(try await first.stop() == 0)
                return before
            }
            #expect(home.names == ["a"])
            #expect(!FileManager.default.fileExists(atPath: home.socket))
            let second = try await Daemon(home: home)
            try await ending(second) {
                let after = try await second.send("GET", "/v1/namespaces/a").json
                #expect(after == before)
                #expect(after["origin"] == "created")
                #expect(try home.ownMounts() == 1)
            }
        }
    }

    @Test("SIGTERM lets running requests end")
    func drain() async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            let statuses = Task.detached {
                try await offload {
                    let connections = try (0..<50).map { _ in try RawConnection(endpoint) }
                    for connection in connections { try connection.send("POST", "/v1/namespaces") }
                    Thread.sleep(forTimeInterval: 0.05)
                    kill(daemon.pid, SIGTERM)
                    return connections.compactMap { try? $0.response().status }
                }
            }
            let answered = try await statuses.value
            #expect(try await daemon.stop() == 0)
            #expect(answered.allSatisfy { [201, 503].contains($0) }, "\(answered)")
            #expect(daemon.home.names.count == answered.count { $0 == 201 })
            #expect(daemon.home.records.count == daemon.home.names.count)
        }
    }

    private func ending<Value: Sendable>(
        _ daemon: Daemon, _ body: () async throws -> Value
    ) async throws -> Value {
        do {
            let value = try await body()
            try await daemon.kill()
            return value
        } catch {
            try? await daemon.kill()
            throw TestFailure("\(error)\n\(daemon.log.suffix(4000))")
        }
    }
}
