import TestSupport
import Testing

@Suite("The front door", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct FrontDoorTests {
    @Test("A daemon does not listen where whoever comes by could do everything, or read how those who may do it")
    func start() async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            _ = try await file.new(role: "viewer", name: "first")
            let (tokens, certificate) = (["--token-file", file.path], ["--certificate-role", "CN=a=viewer"])
            let refused: [([String], String)] = [
                (["--listen", "127.0.0.1:0"], "--token-file"),
                (["--listen", "127.0.0.1:0"] + certificate, "client CA"),
                (["--listen", "0.0.0.0:0"] + tokens, "needs TLS"),
                (["--listen", "127.0.0.1:0", "--listen", "[::]:0"] + tokens, "needs TLS"),
                (["--peer", "uid:x=viewer"], "--peer"), (["--certificate-role", "x"], "--certificate-role"),
                (["--socket-mode", "999"], "--socket-mode"), (["--socket-mode", "7777"], "--socket-mode"),
                (["--socket-group", "nobody-has-this"], "no group"),
            ]
            for (arguments, text) in refused {
                let command = try await Command.run(
                    Daemon.executable(), ["serve"] + home.arguments + arguments, seconds: 10)
                #expect([1, 64].contains(command.status), "\(arguments)")
                #expect(command.errors.contains(text), "\(arguments): \(command.errors)")
            }
            let arguments = ["--listen", "0.0.0.0:0", "--allow-unauthenticated-tcp"]
            try await withDaemon(in: home, arguments: arguments) { _ in }
        }
    }

    @Test("The socket's file has the mode and group it is to have")
    func socket() async throws {
        try await withHome { home in
            try await withDaemon(in: home, arguments: ["--socket-mode", "600", "--socket-group", "daemon"]) { _ in
                let facts = try await Command.check("stat", ["-c", "%a %G", home.socket])
                #expect(facts.text == "600 daemon\n")
            }
        }
    }

    @Test("Over TCP a foreign Host and any Origin are refused, also where everything else is open")
    func origins() async throws {
        try await withDaemon(arguments: ["--allowed-host", "lab.example"], tcp: true) { daemon in
            let anyone = Presenter.tcp("anyone")
            let paths = ["/v1/version", "/healthz", "/nothing"]
            for path in paths {
                for host in ["evil.example", "127.0.0.1.evil.example", "192.0.2.1"] {
                    let refused = try await anyone.send("GET", path, headers: ["Host: \(host)"], to: daemon)
                    #expect(refused.problem == "host-not-allowed", "\(path) \(host)")
                }
                for origin in ["http://evil.example", "http://127.0.0.1", "null"] {
                    let refused = try await anyone.send("GET", path, headers: ["Origin: \(origin)"], to: daemon)
                    #expect(refused.problem == "origin-not-allowed", "\(path) \(origin)")
                }
            }
            for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "lab.example", "lab.example:443"] {
                let answer = try await anyone.send("GET", "/v1/version", headers: ["Host: \(host)"], to: daemon)
                #expect(answer.status == 200, "\(host)")
            }
            let root = Presenter.user(0)
            let local = ["Host: evil.example", "Origin: null"]
            #expect(try await root.send("GET", "/v1/version", headers: local, to: daemon).status == 200)
            let presented = ["Authorization: Bearer x"]
            #expect(try await anyone.send("GET", "/v1/version", headers: presented, to: daemon).status == 401)
        }
    }

    @Test("What is refused says what to do, in the words of RFC 6750")
    func challenges() async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            let viewer = try await file.new(role: "viewer", name: "viewer")
            try await withDaemon(in: home, arguments: ["--listen", "127.0.0.1:0", "--token-file", file.path]) {
                daemon in
                let nothing = try await Presenter.tcp("nothing").send("GET", "/v1/host", to: daemon)
                #expect(nothing.headers["www-authenticate"] == #"Bearer realm="netnsd""#)
                let bad = try await Presenter.tcp("bad", ["Authorization: Bearer x"]).send(
                    "GET", "/v1/host", to: daemon)
                let error = #"Bearer realm="netnsd", error="invalid_token", error_description="The token is not valid""#
                #expect(bad.headers["www-authenticate"] == error)
                let few = try await viewer.send("POST", "/v1/namespaces", to: daemon)
                let scope = #"Bearer realm="netnsd", error="insufficient_scope", scope="create""#
                #expect(few.headers["www-authenticate"] == scope)
                #expect(try few.json["right"] == "create")
                #expect(few.text.contains("token:viewer is a viewer"))
            }
        }
    }
}
