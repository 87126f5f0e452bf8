import Foundation
import TestSupport
import Testing

@Suite("The command", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct CommandLineTests {
    @Test("netnsd version prints the version")
    func version() async throws {
        let command = try await Command.check(Daemon.executable(), ["version"])
        #expect(command.text.contains("0.1.0"))
    }

    @Test("netnsd check prints the facts and a verdict")
    func check() async throws {
        try await withHome { home in
            let command = try await Command.run(Daemon.executable(), ["check"] + home.arguments)
            #expect(command.status == 0, "\(command.errors)")
            #expect(command.text.contains(home.netnsDirectory))
        }
    }

    @Test("netnsd check fails without capabilities")
    func checkUnprivileged() async throws {
        try await withHome { home in
            let command = try await Command.run(
                "setpriv",
                ["--reuid", "65534", "--regid", "65534", "--clear-groups", Daemon.executable(), "check"]
                    + home.arguments
            )
            #expect(command.status == 1, "\(command.text)\(command.errors)")
        }
    }

    /// The kernel workers could not even enter the namespace that they were in, and replaced each other for ever.
    @Test("Without the capability that everything needs, check says which it is, and serve ends")
    func withoutAdmin() async throws {
        try await withHome { home in
            let executable = try Daemon.executable()
            let launcher = ["--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", "--no-new-privs", executable]
            let check = try await Command.run("setpriv", launcher + ["check"] + home.arguments, seconds: 10)
            #expect(check.status == 1, "\(check.text)\(check.errors)")
            #expect(check.text.contains("missing: CAP_SYS_ADMIN\n"), "\(check.text)\(check.errors)")
            let serve = try await Command.run("setpriv", launcher + ["serve"] + home.arguments, seconds: 10)
            #expect(serve.status == 1)
            #expect(isOneLine(serve.errors) && serve.errors.contains("mount"), "\(serve.errors)")
        }
    }

    @Test("A stale socket is replaced, a live one is an error")
    func sockets() async throws {
        try await withHome { home in
            let first = try await Daemon(home: home)
            try await first.kill()
            #expect(FileManager.default.fileExists(atPath: home.socket))
            let second = try await Daemon(home: home)
            do {
                #expect(try await second.send("GET", "/healthz").status == 200)
                var arguments = home.arguments
                arguments[3] = home.root + "/other-state"
                try await expectRefusal(arguments, mentioning: home.socket)
                #expect(try await second.send("GET", "/healthz").status == 200)
                try await second.kill()
            } catch {
                try? await second.kill()
                throw error
            }
        }
    }

    @Test("A second daemon on one state directory is an error")
    func stateDirectory() async throws {
        try await withDaemon { daemon in
            var arguments = daemon.home.arguments
            arguments[5] = daemon.home.root + "/other-socket"
            try await expectRefusal(arguments, mentioning: daemon.home.stateDirectory)
        }
    }

    @Test("A port that is taken is an error")
    func port() async throws {
        try await withDaemon(tcp: true) { daemon in
            guard case .tcp(let port) = try daemon.endpoint(.tcp) else { return }
            try await withHome { home in
                let listen = ["--listen", "127.0.0.1:\(port)", "--allow-unauthenticated-tcp"]
                try await expectRefusal(home.arguments + listen, mentioning: String(port))
            }
        }
    }

    @Test("A mount directory that cannot be made is an error")
    func directory() async throws {
        try await withHome { home in
            try await Command.check("touch", [home.root + "/file"])
            var arguments = home.arguments
            arguments[1] = home.root + "/file/netns"
            try await expectRefusal(arguments, mentioning: "/file")
        }
    }

    @Test("Not being root is an error")
    func unprivileged() async throws {
        try await withHome { home in
            let executable = try Daemon.executable()
            let command = try await Command.run(
                "setpriv",
                ["--reuid", "65534", "--regid", "65534", "--clear-groups", executable, "serve"] + home.arguments)
            #expect(command.status == 1)
            #expect(isOneLine(command.errors), "\(command.errors)")
        }
    }

    @Test(
        "Listening on TCP without saying that it is unauthenticated, and other misuse, is an error",
        arguments: [
            ["--listen", "127.0.0.1:0"], ["--listen", "nowhere", "--allow-unauthenticated-tcp"], ["--workers", "0"],
            ["--log-level", "loud"], ["--log-format", "xml"], ["--colour"],
        ])
    func misuse(_ arguments: [String]) async throws {
        try await withHome { home in
            let command = try await Command.run(
                Daemon.executable(), ["serve"] + home.arguments + arguments, seconds: 10)
            #expect([1, 64].contains(command.status), "\(command.errors)")
            #expect(!command.errors.isEmpty)
            #expect(!command.errors.contains("Fatal error"))
        }
    }

    @Test("Settings come from the environment too, and logs are JSON where asked for")
    func environment() async throws {
        try await withHome { home in
            let command = try await Command.run(
                "timeout", ["--preserve-status", "-s", "TERM", "2", Daemon.executable()],
                environment: [
                    "NETNSD_SOCKET": home.socket, "NETNSD_NETNS_DIR": home.netnsDirectory,
                    "NETNSD_STATE_DIR": home.stateDirectory, "NETNSD_LOG_FORMAT": "json", "NETNSD_WORKERS": "1",
                    "NETNSD_LISTEN": "127.0.0.1:0", "NETNSD_ALLOW_UNAUTHENTICATED_TCP": "true",
                    "NETNSD_LOG_LEVEL": "info",
                ])
            #expect(command.status == 0, "\(command.errors)")
            let lines = command.errors.split(separator: "\n")
            #expect(lines.contains { $0.contains("netnsd is ready") && $0.contains("127.0.0.1") })
            for line in lines {
                #expect((try? JSONValue(parsing: Data(line.utf8)))?.object != nil, "\(line)")
            }
        }
    }

    private func expectRefusal(_ arguments: [String], mentioning text: String) async throws {
        let command = try await Command.run(Daemon.executable(), ["serve"] + arguments, seconds: 10)
        #expect(command.status == 1, "\(command.errors)")
        #expect(isOneLine(command.errors), "\(command.errors)")
        #expect(command.errors.contains(text), "\(command.errors)")
    }

    /// Whether the refusal is all there is: no log line before it, no stack trace after it.
    private func isOneLine(_ text: String) -> Bool {
        text.hasPrefix("netnsd: ") && text.split(separator: "\n").count == 1
    }
}
