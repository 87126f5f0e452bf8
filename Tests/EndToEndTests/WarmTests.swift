import Foundation
import TestSupport
import Testing

@Suite("Namespaces in advance", .tags(.endToEnd), .serialized, .timeLimit(.minutes(2)))
struct WarmTests {
    @Test("The daemon holds as many as it is told to, and fills up again", arguments: [0, 1, 5])
    func held(count: Int) async throws {
        try await withDaemon(arguments: ["--warm", String(count)]) { daemon in
            try await daemon.waitForWarmNamespaces(count)
            for index in 0..<8 {
                let body = "{\"name\":\"n\(index)\",\"loopback\":\"\(index % 3 == 0 ? "down" : "up")\"}"
                let response = try await daemon.send("POST", "/v1/namespaces", body: body)
                #expect(response.status == 201)
                #expect(try response.json["loopback"]?.string == (index % 3 == 0 ? "down" : "up"))
            }
            try await daemon.waitForWarmNamespaces(count)
            let namespaces = try await daemon.send("GET", "/v1/namespaces").json["namespaces"]?.array ?? []
            #expect(Set(namespaces.map { $0["inode"]?.int }).count == 8)
        }
    }

    @Test("A batch leaves them for others, and they count for nobody")
    func uncounted() async throws {
        try await withDaemon(arguments: ["--warm", "3"]) { daemon in
            try await daemon.waitForWarmNamespaces(3)
            let held = try daemon.heldNamespaces()
            let batch = #"{"items":[{"name":"a"},{"name":"b"}]}"#
            #expect(try await daemon.send("POST", "/v1/namespaces:batch", body: batch).status < 300)
            #expect(try daemon.heldNamespaces() == held)
            #expect(try await daemon.send("GET", "/v1/namespaces").json["total"] == 2)
        }
    }

    @Test("A daemon with a full pool has next to nothing to do")
    func idle() async throws {
        try await withDaemon { daemon in
            // It makes files for later records in its first second.
            try await Task.sleep(for: .seconds(2))
            let before = try daemon.processorTime
            try await Task.sleep(for: .seconds(5))
            let used = try daemon.processorTime - before
            // A debug build takes ten times as long to read the settings again as a release build.
            #expect(used < .milliseconds(40), "\(used) in 5 s")
        }
    }

    @Test("A daemon that stops holds none any more, and ends at once")
    func stop() async throws {
        try await withHome { home in
            let daemon = try await Daemon(home: home, arguments: ["--warm", "4"])
            try await daemon.waitForWarmNamespaces(4)
            let begin = ContinuousClock.now
            #expect(try await daemon.stop() == 0)
            #expect(ContinuousClock.now - begin < .seconds(2))
        }
    }

    @Test("A number that makes no sense is refused", arguments: ["-1", "x", "1025"])
    func refused(number: String) async throws {
        try await withHome { home in
            let arguments = ["serve"] + home.arguments + ["--warm=\(number)"]
            let command = try await Command.run(Daemon.executable(), arguments)
            #expect(command.status != 0)
            #expect(command.errors.contains("warm"))
        }
    }
}
