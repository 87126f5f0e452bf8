import Foundation
import Glibc
import TestSupport
import Testing

@Suite("Under a service manager", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct ServiceManagerTests {
    @Test("It says when it is ready, reloads, is ready again, and stops", arguments: [false, true])
    func notify(isAbstract: Bool) async throws {
        try await withHome { home in
            let name = isAbstract ? "@netnsd-test-\(UUID().uuidString)" : home.root + "/notify"
            let manager = try NotifySocket(name)
            let daemon = try await Daemon(home: home, environment: ["NOTIFY_SOCKET": name])
            do {
                let ready = try await offload { try manager.next() }
                #expect(ready?["READY"] == "1")
                #expect(ready?["STATUS"]?.contains(home.socket) == true)
                kill(daemon.pid, SIGHUP)
                let reloading = try await offload { try manager.next() }
                #expect(reloading?["RELOADING"] == "1")
                let since = Double(reloading?["MONOTONIC_USEC"] ?? "") ?? 0
                // Of the same clock as ours, and a moment ago.
                #expect(abs(Self.monotonicSeconds - since / 1e6) < 10)
                #expect(try await offload { try manager.next() }?["READY"] == "1")
                kill(daemon.pid, SIGTERM)
                #expect(try await offload { try manager.next() }?["STOPPING"] == "1")
                #expect(try await daemon.end() == 0)
            } catch {
                try? await daemon.kill()
                throw error
            }
        }
    }

    @Test("The watchdog is fed while a kernel worker works, and not while all are stuck")
    func watchdog() async throws {
        try await withHome { home in
            let manager = try NotifySocket(home.root + "/notify")
            let daemon = try await Daemon(
                home: home, arguments: ["--workers", "1"],
                environment: ["NOTIFY_SOCKET": manager.variable, "WATCHDOG_USEC": "600000"])
            do {
                _ = try await offload { try manager.next(having: "READY") }
                #expect(try await offload { try manager.count(of: "WATCHDOG", within: 2) } >= 4)

                // The only worker is to wait for the lock that iproute2 and Podman take too, in flock(2): for good.
                let lock = try DirectoryLock(home)
                let endpoint = try daemon.endpoint()
                let create = Task.detached {
                    try await offload {
                        try RawConnection(endpoint).exchange("POST", "/v1/namespaces", body: #"{"name":"slow"}"#).status
                    }
                }
                try await until { daemon.log.contains("the daemon is stuck") }
                #expect(daemon.log.contains("silent=the kernel workers"))
                // What was sent before.
                _ = try await offload { try manager.count(of: "WATCHDOG", within: 0) }
                #expect(try await offload { try manager.count(of: "WATCHDOG", within: 2) } == 0)
                #expect(try await daemon.send("GET", "/healthz").status == 200, "HTTP alone proves nothing")

                lock.release()
                #expect(try await create.value == 201)
                #expect(try await offload { try manager.count(of: "WATCHDOG", within: 2) } >= 3)
                #expect(try await daemon.stop() == 0)
            } catch {
                try? await daemon.kill()
                throw TestFailure("\(error)\n\(daemon.log)")
            }
        }
    }

    @Test("It serves on the sockets handed over, several and by name, and leaves them when it goes")
    func activation() async throws {
        try await withHome { home in
            let unix = try HandedSocket.unix(home.root + "/api", name: "netnsd.socket")
            let tcp = try HandedSocket.tcp(name: "tcp")
            for _ in 0..<2 {
                let daemon = try await Daemon(
                    home: home, arguments: ["--allow-unauthenticated-tcp", "--log-level", "debug"],
                    sockets: [unix, tcp])
                do {
                    #expect(daemon.log.contains("(netnsd.socket)") && daemon.log.contains("(tcp)"))
                    for endpoint in [unix.endpoint, tcp.endpoint, .unix(home.socket)] {
                        let status = try await offload { try RawConnection(endpoint).exchange("GET", "/readyz").status }
                        #expect(status == 200)
                    }
                    let created = try await offload {
                        try RawConnection(unix.endpoint).exchange("POST", "/v1/namespaces")
                    }
                    #expect(try created.json["createdBy"]?["uid"]?.int == Int(getuid()), "the peer is known")
                    #expect(try await daemon.stop() == 0)
                } catch {
                    try? await daemon.kill()
                    throw TestFailure("\(error)\n\(daemon.log)")
                }
                #expect(!FileManager.default.fileExists(atPath: home.socket), "its own socket goes")
                #expect(FileManager.default.fileExists(atPath: home.root + "/api"), "the manager's stays")
                #expect(!FileManager.default.fileExists(atPath: home.root + "/api.lock"))
            }
        }
    }

    @Test("Who connects while no daemon runs waits for the next one")
    func queue() async throws {
        try await withHome { home in
            let unix = try HandedSocket.unix(home.root + "/api", name: "netnsd.socket")
            let early = try await offload { () -> Unchecked<RawConnection> in
                let connection = try RawConnection(unix.endpoint)
                try connection.send("GET", "/healthz")
                return Unchecked(connection)
            }
            let daemon = try await Daemon(home: home, sockets: [unix])
            let status = try await offload { try early.value.response().status }
            #expect(status == 200)
            #expect(try await daemon.stop() == 0)
        }
    }

    @Test("Sockets handed over take the place of the default socket")
    func noDefault() async throws {
        try await withHome { home in
            let unix = try HandedSocket.unix(home.root + "/api", name: "api")
            let process = try ChildProcess(
                HandedSocket.launcher + [
                    try Daemon.executable(), "--netns-dir", home.netnsDirectory, "--state-dir", home.stateDirectory,
                ], environment: HandedSocket.environment(of: [unix]), descriptors: [unix.descriptor], log: home.log)
            let status = try await offload { try RawConnection(unix.endpoint).exchange("GET", "/readyz").status }
            #expect(status == 200)
            let variables = try String(contentsOfFile: "/proc/\(process.pid)/environ", encoding: .utf8)
            #expect(variables.contains("LISTEN_FDS"), "what the kernel shows is what it was started with")
            process.kill(SIGTERM)
            #expect(try await process.wait(seconds: 20) == 0)
            let log = (try? String(contentsOfFile: home.log, encoding: .utf8)) ?? ""
            #expect(log.contains("listening=unix:\(home.root)/api (api)"), "\(log)")
        }
    }

    @Test("Sockets that cannot be served on keep it from starting, in one line")
    func refusals() async throws {
        try await withHome { home in
            let stream = try HandedSocket.unix(home.root + "/stream", name: "api")
            let datagram = try HandedSocket.unix(home.root + "/datagram", name: "odd", isDatagram: true)
            let cases: [(sockets: [HandedSocket], environment: [String: String], reason: String, status: Int32)] = [
                ([datagram], [:], "'odd') of the service manager: it is a datagram socket", 1),
                ([stream, datagram], [:], "descriptor 4 ('odd')", 1),
                ([stream], ["LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"], "descriptor 4 ('b')", 1),
                ([stream], ["LISTEN_FDNAMES": "a:b"], "LISTEN_FDNAMES has 2 names for 1 sockets", 1),
                ([stream], ["LISTEN_FDS": "many"], "LISTEN_FDS is no number", 1),
                ([try .tcp(name: "tcp")], [:], "--allow-unauthenticated-tcp", 64),
            ]
            for (sockets, environment, reason, status) in cases {
                let log = home.root + "/refusal"
                try? FileManager.default.removeItem(atPath: log)
                let process = try ChildProcess(
                    HandedSocket.launcher + [try Daemon.executable(), "serve"] + home.arguments,
                    environment: HandedSocket.environment(of: sockets).merging(environment) { $1 },
                    descriptors: sockets.map(\.descriptor), log: log)
                #expect(try await process.wait(seconds: 10) == status)
                let text = try String(contentsOfFile: log, encoding: .utf8)
                #expect(text.contains(reason), "\(text)")
                if status == 1 { #expect(text.split(separator: "\n").count == 1, "\(text)") }
            }
        }
    }

    @Test("Sockets that are meant for another process are none of its business")
    func foreign() async throws {
        try await withDaemon { _ in
            try await withHome { home in
                let daemon = try await Daemon(
                    home: home, environment: ["LISTEN_PID": "1", "LISTEN_FDS": "1", "WATCHDOG_PID": "1"])
                #expect(try await daemon.send("GET", "/readyz").status == 200)
                #expect(try await daemon.stop() == 0)
            }
        }
    }

    private static var monotonicSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
