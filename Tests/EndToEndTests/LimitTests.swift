import Foundation
import TestSupport
import Testing

@Suite("Limits", .tags(.endToEnd), .timeLimit(.minutes(5)))
struct LimitTests {
    private static let collection = "/v1/namespaces"

    @Test("Header sections, targets, bodies and nested values that are too long or too deep are refused")
    func sizes() async throws {
        let limits = [
            "--max-header-bytes", "2048", "--max-body-bytes", "1024", "--max-batch-bytes", "4096", "--max-json-depth",
            "4",
        ]
        try await withDaemon(arguments: limits) { daemon in
            let long = String(repeating: "a", count: 2100)
            let cases: [(HTTPResponse, Int, String)] = [
                (try await daemon.send("GET", "/healthz", headers: ["X: \(long)"]), 431, "headers-too-large"),
                (try await daemon.send("GET", "/\(long)"), 414, "target-too-long"),
                (
                    try await daemon.send("POST", Self.collection, body: String(repeating: " ", count: 1025)), 413,
                    "content-too-large"
                ),
                (
                    try await daemon.send(
                        "POST", Self.collection + ":batch", body: String(repeating: " ", count: 4097)),
                    413, "content-too-large"
                ),
                (
                    try await daemon.send("POST", Self.collection, body: #"{"labels":{"a":{"b":{"c":{"d":1}}}}}"#), 400,
                    "malformed-json"
                ),
                (
                    try await daemon.send("POST", Self.collection, body: #"{"labels":{"a":{"b":{"c":1}}}}"#), 422,
                    "invalid-field"
                ),
            ]
            for (response, status, problem) in cases {
                #expect(response.status == status)
                #expect(response.problem == problem)
            }
            let just = "{" + String(repeating: " ", count: 1022) + "}"
            #expect(try await daemon.send("POST", Self.collection, body: just).status == 201)
        }
    }

    @Test("A connection has as many requests as it may have, and its last answer says so")
    func requests() async throws {
        try await withDaemon(arguments: ["--max-requests-per-connection", "3"]) { daemon in
            let endpoint = try daemon.endpoint()
            try await offload {
                let connection = try RawConnection(endpoint)
                for number in 1...3 {
                    let response = try connection.exchange("GET", "/healthz")
                    #expect(response.status == 200)
                    #expect((response.headers["connection"]?.lowercased() == "close") == (number == 3))
                }
                #expect(Self.isClosed(connection))
            }
        }
    }

    @Test("A connection that is quiet, and a header section that drips, are cut in time")
    func ages() async throws {
        try await withDaemon(arguments: ["--request-seconds", "1", "--idle-seconds", "2"]) { daemon in
            let endpoint = try daemon.endpoint()
            try await offload {
                let (idle, slow) = (try RawConnection(endpoint), try RawConnection(endpoint))
                #expect(try idle.exchange("GET", "/healthz").status == 200)
                let start = ContinuousClock.now
                var isCut = false
                while !isCut, ContinuousClock.now - start < .seconds(10) {
                    isCut = (try? slow.send(Data("A".utf8))) == nil
                    Thread.sleep(forTimeInterval: 0.1)
                }
                #expect(isCut)
                #expect(ContinuousClock.now - start < .seconds(5))
                Thread.sleep(forTimeInterval: 4)
                #expect(Self.isClosed(idle))
            }
            #expect(try await daemon.send("GET", "/healthz").status == 200)
        }
    }

    @Test("An answer takes as long as it takes, and a quiet connection may then be used again")
    func patience() async throws {
        try await withDaemon(arguments: ["--request-seconds", "1", "--idle-seconds", "10"]) { daemon in
            let endpoint = try daemon.endpoint()
            let page = try await daemon.send("GET", Self.collection)
            let revision = try #require(page.text.firstMatch(of: #/"revision":(\d+)/#)?.1)
            try await offload {
                let connection = try RawConnection(endpoint)
                let start = ContinuousClock.now
                #expect(try connection.exchange("GET", "/v1/events?since=\(revision)&wait=3").status == 200)
                #expect(ContinuousClock.now - start > .milliseconds(2900))
                Thread.sleep(forTimeInterval: 3)
                #expect(try connection.exchange("POST", Self.collection).status == 201)
            }
        }
    }

    @Test("Of one address there are only so many connections")
    func perAddress() async throws {
        try await withDaemon(arguments: ["--max-connections-per-address", "3"], tcp: true) { daemon in
            let endpoint = try daemon.endpoint(.tcp)
            try await offload {
                var connections = try (0..<3).map { _ in
                    let connection = try RawConnection(endpoint)
                    #expect(try connection.exchange("GET", "/healthz").status == 200)
                    return connection
                }
                #expect(try Self.isClosed(RawConnection(endpoint)))
                connections.removeLast()
                let start = ContinuousClock.now
                while try RawConnection(endpoint).isRefused, ContinuousClock.now - start < .seconds(5) {
                    Thread.sleep(forTimeInterval: 0.05)
                }
                #expect(ContinuousClock.now - start < .seconds(5))
                #expect(try connections[0].exchange("GET", "/healthz").status == 200)
            }
            // Root on the Unix socket is not counted.
            #expect(try await daemon.send("GET", "/healthz").status == 200)
        }
    }

    @Test("Of one user other than root there are only so many connections on the Unix socket")
    func perUser() async throws {
        try await withDaemon(arguments: ["--max-connections-per-address", "1"]) { daemon in
            try await Command.check("chmod", ["0666", daemon.home.socket])
            let nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "curl", "-sS", "--max-time", "20"]
            let target = ["--unix-socket", daemon.home.socket]
            let log = daemon.home.root + "/reader"
            let reader = try ChildProcess(
                ["setpriv"] + nobody + ["-N"] + target + ["http://a/v1/events"], log: log)
            defer { reader.kill(SIGKILL) }
            let start = ContinuousClock.now
            // Its stream begins with a comment.
            while try Data(contentsOf: URL(filePath: log)).isEmpty, ContinuousClock.now - start < .seconds(10) {
                try await Task.sleep(for: .milliseconds(20))
            }
            let status = try await Command.run("setpriv", nobody + target + ["http://a/healthz"]).status
            // Neither an answer nor a wait; curl may find the connection gone before it has asked (7).
            #expect([7, 52, 55, 56].contains(status))
            #expect(try Data(contentsOf: URL(filePath: log)).first == UInt8(ascii: ":"))
            #expect(try await daemon.send("GET", "/healthz").status == 200)
        }
    }

    @Test("Connections beyond what there are in all wait, and are served when there is room")
    func inAll() async throws {
        try await withDaemon(arguments: ["--max-connections", "4"]) { daemon in
            let endpoint = try daemon.endpoint()
            try await offload {
                var held = try (0..<4).map { _ in
                    let connection = try RawConnection(endpoint)
                    #expect(try connection.exchange("GET", "/healthz").status == 200)
                    return connection
                }
                let waiting = try RawConnection(endpoint)
                try waiting.send("GET", "/healthz")
                Thread.sleep(forTimeInterval: 0.3)
                #expect(!waiting.hasBytes)
                #expect(held.count == 4)
                held.removeAll()
                #expect(try waiting.response().status == 200)
            }
        }
    }

    private static func isClosed(_ connection: RawConnection) -> Bool { connection.isRefused }
}

extension RawConnection {
    /// Whether a request is not answered, the connection being closed.
    fileprivate var isRefused: Bool {
        do {
            return try exchange("GET", "/healthz").status != 200
        } catch {
            return true
        }
    }
}
