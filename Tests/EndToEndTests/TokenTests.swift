import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("Tokens", .tags(.endToEnd), .timeLimit(.minutes(5)))
struct TokenTests {
    @Test("A token is shown once, and only its owner may read what is stored of it")
    func new() async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            let text = try await file.text(
                role: "operator", name: "ci", ["--selector", "team=net", "--expires-in", "60"])
            #expect(text.wholeMatch(of: #/netnsd_[0-9a-f]{12}_[0-9a-f]{64}/#) != nil)
            let stored = try String(contentsOfFile: file.path, encoding: .utf8)
            #expect(!stored.contains(text.suffix(64)))
            let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let list = try await file.run(["list"])
            #expect(list.text.hasPrefix("ci\toperator\tteam=net\tuntil 2"))
            #expect(!list.text.contains(text.suffix(64)))
            let again = try await file.run(["new", "--role", "viewer", "--name", "ci"])
            #expect(again.status == 1)
            #expect(again.errors.contains("named ci"))
            #expect(try await file.run(["revoke", "nobody"]).status == 1)
            #expect(try await file.run(["revoke", "ci"]).status == 0)
            #expect(try await file.run(["list"]).text.isEmpty)
        }
    }

    @Test(
        "What cannot be a token is refused in words",
        arguments: [
            ["--role", "root"], ["--role", "viewer", "--name", "a b"], ["--role", "viewer", "--selector", "a=b"],
            ["--role", "operator", "--selector", "=b"], ["--role", "operator", "--selector", ""],
            ["--role", "viewer", "--expires-in", "0"], [],
        ])
    func misuse(_ arguments: [String]) async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            let command = try await file.run(["new"] + arguments)
            #expect(command.status == 64)
            #expect(command.output.isEmpty)
            #expect(!FileManager.default.fileExists(atPath: file.path))
        }
    }

    @Test("Tokens made at once are all kept")
    func concurrent() async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<12 {
                    group.addTask { _ = try await file.text(role: "viewer", name: "t\(number)") }
                }
                try await group.waitForAll()
            }
            #expect(try await file.run(["list"]).text.split(separator: "\n").count == 12)
        }
    }

    @Test("A running daemon follows the file, and keeps the tokens it has while the file is no good")
    func reload() async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            let first = try await file.new(role: "viewer", name: "first")
            let arguments = ["--listen", "127.0.0.1:0", "--token-file", file.path]
            try await withDaemon(in: home, arguments: arguments) { daemon in
                let second = try await file.new(role: "viewer", name: "second")
                try await expect(second, 200, daemon)
                #expect(try await file.run(["revoke", "first"]).status == 0)
                try await expect(first, 401, daemon)

                let good = try Data(contentsOf: URL(filePath: file.path))
                try Data("nonsense\n".utf8).write(to: URL(filePath: file.path))
                try await expectLog("line 1 is no token", daemon)
                try await expect(second, 200, daemon)
                try good.write(to: URL(filePath: file.path))
                try await Command.check("chmod", ["640", file.path])
                try await expectLog("others may use it (mode 0640", daemon)
                try await expect(second, 200, daemon)
                try await Command.check("rm", [file.path])
                try await expectLog("errno 2", daemon)
                try await expect(second, 200, daemon)
                let third = try await file.new(role: "viewer", name: "third")
                try await expect(third, 200, daemon)
                try await expect(second, 401, daemon)
            }
        }
    }

    @Test("A token that is taken back is worth nothing any more, on a connection that it was used on too")
    func kept() async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            let token = try await file.text(role: "viewer", name: "first")
            let arguments = ["--listen", "127.0.0.1:0", "--token-file", file.path]
            try await withDaemon(in: home, arguments: arguments) { daemon in
                let connection = Mutex(try RawConnection(daemon.endpoint(.tcp)))
                func statuses(_ count: Int, _ path: String) async throws -> [Int] {
                    try await offload {
                        try (0..<count).map { _ in
                            try connection.withLock { connection in
                                try connection.exchange("GET", path, headers: ["Authorization: Bearer \(token)"]).status
                            }
                        }
                    }
                }
                // The one changes, and would be looked at again anyway; the other never does.
                for path in ["/v1/namespaces", "/v1/version"] {
                    #expect(try await statuses(5, path) == [200, 200, 200, 200, 200])
                }
                #expect(try await file.run(["revoke", "first"]).status == 0)
                var last = 0
                for _ in 0..<50 where last != 401 {
                    last = try await statuses(1, "/v1/version")[0]
                    try await Task.sleep(for: .milliseconds(100))
                }
                #expect(last == 401)
                #expect(try await statuses(1, "/v1/namespaces") == [401])
            }
        }
    }

    @Test("A daemon does not start with a token file that is missing, broken or open to others")
    func start() async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            try await refuse(home, file, mentioning: "errno 2")
            _ = try await file.new(role: "viewer", name: "first")
            try await Command.check("chmod", ["644", file.path])
            try await refuse(home, file, mentioning: "mode 0644")
            try await Command.check("chmod", ["600", file.path])
            try await Command.check("chown", ["65001", file.path])
            try await refuse(home, file, mentioning: "user 65001")
            try await Command.check("chown", ["0", file.path])
            try await Command.check("sh", ["-c", "echo '{}' >> \(file.path)"])
            try await refuse(home, file, mentioning: "line 2")
        }
    }

    @Test("Who is refused waits, without a thread, and without keeping others waiting")
    func delay() async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            let good = try await file.text(role: "viewer", name: "good")
            let arguments = ["--listen", "127.0.0.1:0", "--token-file", file.path]
            try await withDaemon(in: home, arguments: arguments) { daemon in
                let endpoint = try daemon.endpoint(.tcp)
                let (threads, waits) = try await offload {
                    let connections = try (0..<200).map { _ in try RawConnection(endpoint) }
                    // A body that nobody wants is no way around.
                    for (number, connection) in connections.enumerated() {
                        let body = number.isMultiple(of: 2) ? String(repeating: "x", count: 100_000) : ""
                        try connection.send("POST", "/v1/namespaces", body: body)
                    }
                    let authorized = try RawConnection(endpoint)
                    let header = ["Authorization: Bearer \(good)"]
                    let began = ContinuousClock.now
                    _ = try authorized.exchange("GET", "/v1/version", headers: header)
                    let fast = began.duration(to: .now)
                    let threads = try Resources(pid: daemon.pid, mountsBelow: home.root).threads
                    var statuses: Set<Int> = []
                    for connection in connections { statuses.insert(try connection.response().status) }
                    #expect(statuses == [401])
                    let alone = try RawConnection(endpoint)
                    let start = ContinuousClock.now
                    _ = try alone.exchange("GET", "/v1/version")
                    return (threads, (fast, start.duration(to: .now)))
                }
                #expect(waits.0 < .milliseconds(500))
                #expect(waits.1 > .milliseconds(140))
                #expect(threads < 40, "\(threads)")
            }
        }
    }

    private func refuse(_ home: DaemonHome, _ file: TokenFileCommand, mentioning text: String) async throws {
        let command = try await Command.run(
            Daemon.executable(),
            ["serve"] + home.arguments + ["--listen", "127.0.0.1:0", "--token-file", file.path], seconds: 10)
        #expect(command.status == 1, "\(command.errors)")
        #expect(command.errors.contains(text), "\(command.errors)")
        #expect(command.errors.split(separator: "\n").count == 1, "\(command.errors)")
    }

    private func expect(_ who: Presenter, _ status: Int, _ daemon: Daemon) async throws {
        var seen = 0
        for _ in 0..<50 {
            seen = try await who.send("GET", "/v1/version", to: daemon).status
            if seen == status { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        Issue.record("\(who): \(seen), not \(status)")
    }

    private func expectLog(_ text: String, _ daemon: Daemon) async throws {
        for _ in 0..<100 {
            if daemon.log.contains(text) { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        Issue.record("no '\(text)' in \(daemon.log)")
    }
}
