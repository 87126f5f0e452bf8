import Foundation
import Glibc
import TestSupport
import Testing

@Suite("Going down and reloading", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct LifeTests {
    @Test("In the grace /readyz fails and everything else is served; a second SIGTERM ends it")
    func grace() async throws {
        try await withDaemon(arguments: ["--drain-delay-seconds", "60"]) { daemon in
            #expect(try await daemon.send("GET", "/readyz").status == 200)
            kill(daemon.pid, SIGTERM)
            try await until { daemon.log.contains("draining") }
            let readiness = try await daemon.send("GET", "/readyz")
            #expect(readiness.status == 503)
            #expect(readiness.problem == "shutting-down")
            #expect(try await daemon.send("GET", "/healthz").status == 200)
            let created = try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"late"}"#)
            #expect(created.status == 201)
            #expect(created.headers["connection"]?.lowercased() != "close", "nothing is closed yet")
            let began = ContinuousClock.now
            #expect(try await daemon.stop() == 0)
            #expect(ContinuousClock.now - began < .seconds(5))
            #expect(daemon.home.names == ["late"])
        }
    }

    @Test("After SIGTERM nobody can connect, idle connections are closed, and the exit status is 0")
    func idle() async throws {
        try await withDaemon(tcp: true) { daemon in
            for transport in [HTTPClient.Transport.unixSocket, .tcp] {
                let endpoint = try daemon.endpoint(transport)
                let (used, fresh) = try await offload {
                    let used = try RawConnection(endpoint)
                    _ = try used.exchange("GET", "/healthz")
                    return (Unchecked(used), Unchecked(try RawConnection(endpoint)))
                }
                defer { _ = (used, fresh) }
                if transport == .unixSocket { continue }
                let began = ContinuousClock.now
                #expect(try await daemon.stop() == 0)
                #expect(ContinuousClock.now - began < .seconds(5), "idle connections are not waited for")
                #expect(throws: TestFailure.self) { try used.value.response() }
                #expect(!used.value.hasRest)
                #expect(throws: TestFailure.self) { try RawConnection(endpoint) }
            }
        }
    }

    @Test("A second SIGTERM has what is left answered 503, and a job that is stuck in the kernel holds nobody up")
    func impatience() async throws {
        try await withDaemon(arguments: ["--drain-seconds", "60", "--workers", "1"]) { daemon in
            let lock = try DirectoryLock(daemon.home)
            defer { lock.release() }
            let endpoint = try daemon.endpoint()
            let create = Task.detached {
                try await offload {
                    try RawConnection(endpoint).exchange("POST", "/v1/namespaces", body: #"{"name":"stuck"}"#)
                }
            }
            try await Task.sleep(for: .milliseconds(300))
            let began = ContinuousClock.now
            kill(daemon.pid, SIGTERM)
            try await until { daemon.log.contains("draining") }
            try await Task.sleep(for: .milliseconds(300))
            kill(daemon.pid, SIGTERM)
            let answer = try await create.value
            #expect(answer.status == 503)
            #expect(answer.problem == "shutting-down")
            #expect(try await daemon.end() == 1, "not all was done")
            #expect(ContinuousClock.now - began < .seconds(15))
            #expect(daemon.log.contains("a kernel job does not end"))
            #expect(!FileManager.default.fileExists(atPath: daemon.home.socket))
            lock.release()
            let next = try await Daemon(home: daemon.home)
            #expect(try await next.send("GET", "/readyz").status == 200)
            #expect(try await next.stop() == 0)
        }
    }

    @Test("Readers of events are told goodbye as the last thing")
    func farewell() async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            let reader = Task.detached {
                try await offload {
                    let reader = try EventReader(endpoint, validator: nil)
                    var types: [String] = []
                    while let event = try reader.next() { types.append(event.type) }
                    return (types, reader.farewell)
                }
            }
            try await Task.sleep(for: .milliseconds(300))
            try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"a"}"#)
            #expect(try await daemon.stop() == 0)
            let (types, farewell) = try await reader.value
            #expect(types == ["created"])
            #expect(farewell == #"{"reason":"shutting-down"}"#)
        }
    }

    @Test("SIGHUP does not end the daemon, and it says what cannot be reloaded")
    func hangup() async throws {
        try await withDaemon { daemon in
            for round in 1...3 {
                kill(daemon.pid, SIGHUP)
                try await until {
                    daemon.log.components(separatedBy: "flags and environment variables are not reloaded").count > round
                }
                #expect(try await daemon.send("GET", "/healthz").status == 200)
            }
            #expect(try await daemon.stop() == 0)
        }
    }

    @Test(
        "Times that make no sense are misuse",
        arguments: [["--drain-seconds", "-1"], ["--drain-seconds", "3601"], ["--drain-delay-seconds", "soon"]])
    func misuse(_ arguments: [String]) async throws {
        try await withHome { home in
            let command = try await Command.run(
                Daemon.executable(), ["serve"] + home.arguments + arguments, seconds: 10)
            #expect(command.status == 64, "\(command.errors)")
        }
    }

    @Test("Logs for the journal have a priority, no time, and a line each, of their own accord in a unit")
    func journal() async throws {
        try await withHome { home in
            // The stream that JOURNAL_STREAM names is the log file's, whose numbers the file has before the daemon starts.
            try Data().write(to: URL(filePath: home.log))
            var status = stat()
            #expect(stat(home.log, &status) == 0)
            let daemon = try await Daemon(
                home: home, environment: ["JOURNAL_STREAM": "\(status.st_dev):\(status.st_ino)"])
            #expect(try await daemon.stop() == 0)
            let lines = daemon.log.split(separator: "\n")
            #expect(lines.contains { $0.hasPrefix("<5>netnsd is ready ") })
            for line in lines { #expect(line.contains(#/^<[2-7]>[^<]/#), "\(line)") }
        }
    }
}

/// Something that is used by one thread after the other.
struct Unchecked<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}

/// Waits until something is so, for 10 seconds at most.
func until(_ isSo: () async throws -> Bool) async throws {
    for _ in 0..<1000 {
        if try await isSo() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    throw TestFailure("it is not so after 10 s")
}
