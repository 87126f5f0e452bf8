import Foundation
import TestSupport
import Testing

@Suite("Adoption", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct AdoptionTests {
    private static let collection = "/v1/namespaces"

    @Test("The namespace of a process gets a name, is left as it is, and outlives the process")
    func fromProcess() async throws {
        try await withSleeper { daemon, sleeper in
            let events = try await daemon.collectEvents()
            let body = #"{"name":"a","labels":{"team":"net"},"from":{"pid":\#(sleeper.pid)}}"#
            let adopted = try await daemon.send("POST", Self.collection, body: body)
            #expect(adopted.status == 201)
            #expect(adopted.headers["location"] == "/v1/namespaces/a")
            let json = try adopted.json
            #expect(json["origin"] == "adopted")
            #expect(json["loopback"] == "down")
            #expect(json["labels"] == ["team": "net"])
            #expect(json["createdAt"]?.string != nil)
            let inode = try ChildProcess.inode(of: String(sleeper.pid))
            #expect(json["inode"]?.int == inode)
            #expect(daemon.home.names == ["a"])
            #expect(try await events.first("adopted", "a").json["namespace"] == json)
            sleeper.kill(9)
            _ = try await sleeper.wait(seconds: 10)
            let path = try #require(json["path"]?.string)
            let inside = try await Command.check(
                "nsenter", ["--net=\(path)", "stat", "-L", "-c", "%i", "/proc/self/ns/net"])
            #expect(Int(inside.text.prefix { $0.isNumber }) == inode)
            #expect(try await daemon.send("DELETE", "/v1/namespaces/a").status == 204)
        }
    }

    @Test("A namespace is adopted from every path that can name one")
    func fromPath() async throws {
        try await withSleeper { daemon, sleeper in
            let inode = try ChildProcess.inode(of: String(sleeper.pid))
            // So that the daemon has set up the directory: tools that mount there need it.
            try await daemon.send("PUT", "/v1/namespaces/first")
            try await daemon.home.addExternal("ext")
            let external = try await daemon.send("GET", "/v1/namespaces/ext").json["inode"]?.int
            let process = "/proc/\(sleeper.pid)"
            let sources = [
                ("\(process)/ns/net", inode), ("\(process)/task/\(sleeper.pid)/ns/net", inode),
                ("\(process)/fd/9", inode), (daemon.home.netnsDirectory + "/ext", external),
            ]
            for (path, inode) in sources {
                let response = try await daemon.send(
                    "POST", Self.collection, body: #"{"namePrefix":"got","from":{"path":"\#(path)"}}"#)
                #expect(response.status == 201, "\(path): \(response.text)")
                let json = try response.json
                #expect(json["inode"]?.int == inode, "\(path)")
                #expect(json["origin"] == "adopted", "\(path)")
                #expect(json["name"]?.string?.hasPrefix("got-") == true, "\(path)")
            }
            #expect(daemon.home.names.count == 6)
            #expect(try await daemon.send("GET", "/v1/namespaces/ext").json["origin"] == "external")
        }
    }

    @Test("A source that cannot be one is refused before anything is made, and says which field")
    func refusedShapes() async throws {
        try await withSleeper { daemon, sleeper in
            let (process, directory) = ("/proc/\(sleeper.pid)", daemon.home.netnsDirectory)
            let paths = [
                "", "relative", "/etc/hostname", "/proc/self/ns/net", "/proc/thread-self/ns/net", "\(process)/ns/mnt",
                "\(process)/ns/../ns/net", "\(process)//ns/net", "\(process)/ns/net/", "\(process)/fd/x",
                "\(process)/fd/9/ns", "\(process)/root/proc/1/ns/net", "/proc/0x1/ns/net", "/proc/-1/ns/net",
                directory, directory + "/", directory + "/..", directory + "/../log", directory + "/a/b",
                directory + "-evil/a", "/proc/1/ns/net\\u0000",
            ]
            let sources =
                paths.map { (#"{"path":"\#($0)"}"#, "from.path") } + [
                    (#"{"path":1}"#, "from.path"), (#"{"pid":0}"#, "from.pid"), (#"{"pid":-1}"#, "from.pid"),
                    (#"{"pid":"1"}"#, "from.pid"), (#"{"pid":1.5}"#, "from.pid"), ("{}", "from"), ("[]", "from"),
                    ("null", "from"), (#"{"name":"a"}"#, "from.name"),
                ]
            for (source, field) in sources {
                let response = try await daemon.send(
                    "POST", Self.collection, body: #"{"name":"a","from":\#(source)}"#)
                #expect(response.problem == "invalid-field", "\(source): \(response.text)")
                #expect(try response.json["field"]?.string == field, "\(source): \(response.text)")
            }
            let both = #"{"from":{"pid":\#(sleeper.pid),"path":"\#(process)/ns/net"}}"#
            #expect(try await daemon.send("POST", Self.collection, body: both).problem == "invalid-field")
            let raised = try await daemon.send(
                "POST", Self.collection, body: #"{"loopback":"down","from":{"pid":\#(sleeper.pid)}}"#)
            #expect(raised.problem == "invalid-field")
            #expect(try raised.json["field"] == "loopback")
            #expect(daemon.home.names.isEmpty)
            #expect(daemon.home.records.isEmpty)
        }
    }

    @Test("A source that is not there, or is no network namespace, is refused and leaves nothing behind")
    func refusedSources() async throws {
        try await withSleeper(holding: "/etc/passwd") { daemon, sleeper in
            try await daemon.send("PUT", "/v1/namespaces/taken")
            let directory = daemon.home.netnsDirectory
            try await Command.check("touch", [directory + "/stale"])
            let ended = try await ChildProcess.endedID(log: daemon.home.root + "/true")
            let sources = [
                (#"{"pid":\#(ended)}"#, "source-not-found", "from.pid"),
                (#"{"path":"/proc/\#(ended)/ns/net"}"#, "source-not-found", "from.path"),
                (#"{"path":"/proc/\#(sleeper.pid)/fd/77"}"#, "source-not-found", "from.path"),
                (#"{"path":"\#(directory)/none"}"#, "source-not-found", "from.path"),
                (#"{"path":"/proc/\#(sleeper.pid)/fd/9"}"#, "not-a-network-namespace", nil),
                (#"{"path":"\#(directory)/stale"}"#, "not-a-network-namespace", nil),
            ]
            for (source, problem, field) in sources {
                let response = try await daemon.send(
                    "POST", Self.collection, body: #"{"name":"a","from":\#(source)}"#)
                #expect(response.problem == problem, "\(source): \(response.text)")
                if let field { #expect(try response.json["field"]?.string == field, "\(source)") }
            }
            let taken = try await daemon.send(
                "POST", Self.collection, body: #"{"name":"taken","from":{"pid":\#(sleeper.pid)}}"#)
            #expect(taken.problem == "name-taken")
            #expect(daemon.home.names == ["stale", "taken"])
            #expect(daemon.home.records.count == 1)
        }
    }

    @Test("A patch makes an external namespace adopted, also one that changes nothing, and over a restart")
    func byPatch() async throws {
        try await withHome { home in
            let before = try await withDaemon(in: home) { daemon in
                try await daemon.send("PUT", "/v1/namespaces/ours")
                try await home.addExternal("a")
                try await home.addExternal("b")
                let events = try await daemon.collectEvents()
                let external = try await daemon.send("GET", "/v1/namespaces/a")
                let patched = try await daemon.send("PATCH", "/v1/namespaces/a", body: "{}")
                #expect(try patched.json["origin"] == "adopted")
                #expect(try patched.json["inode"] == external.json["inode"])
                #expect(patched.headers["etag"] != external.headers["etag"])
                #expect(try await events.first("adopted", "a").json["namespace"] == patched.json)
                let body = #"{"labels":{"team":"net"},"lease":{"seconds":600}}"#
                let labelled = try await daemon.send("PATCH", "/v1/namespaces/b", body: body).json
                #expect(labelled["origin"] == "adopted")
                #expect(labelled["labels"] == ["team": "net"])
                #expect(labelled["lease"]?["seconds"] == 600)
                #expect(try await daemon.send("PATCH", "/v1/namespaces/ours", body: "{}").json["origin"] == "created")
                return try patched.json
            }
            try await withDaemon(in: home) { daemon in
                let after = try await daemon.send("GET", "/v1/namespaces/a").json
                #expect(after == before)
                #expect(try await daemon.send("GET", "/v1/namespaces?origin=adopted").json["total"] == 2)
            }
        }
    }

    @Test("The processes inside a namespace are listed with what they are")
    func processes() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", "/v1/namespaces/a")
            #expect(try await daemon.send("GET", "/v1/namespaces/a/processes").json["processes"] == .array([]))
            let net = "--net=\(daemon.home.netnsDirectory)/a"
            let log = daemon.home.root + "/sleep"
            let sleepers = try (0..<2).map { try ChildProcess(["nsenter", net, "sleep", "6\($0)"], log: log) }
            defer { for sleeper in sleepers { sleeper.kill(9) } }
            try await Task.sleep(for: .milliseconds(500))
            let listed = try await daemon.send("GET", "/v1/namespaces/a/processes").json["processes"]?.array ?? []
            #expect(listed.compactMap { $0["pid"]?.int } == sleepers.map { Int($0.pid) }.sorted())
            #expect(listed.allSatisfy { $0["command"] == "sleep" })
            let arguments = Set(listed.compactMap { $0["arguments"]?[1]?.string })
            #expect(arguments == ["60", "61"])
            for process in listed {
                let text = try #require(process["startedAt"]?.string)
                let startedAt = try Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
                #expect((-2...30).contains(Date.now.timeIntervalSince(startedAt)), "\(text)")
            }
            #expect(try await daemon.send("GET", "/v1/namespaces/none/processes").problem == "namespace-not-found")
            try await Command.check("touch", [daemon.home.netnsDirectory + "/stale"])
            #expect(try await daemon.send("GET", "/v1/namespaces/stale/processes").problem == "namespace-stale")
        }
    }

    @Test("A process's namespace is told with all its names, and without one too")
    func identify() async throws {
        try await withSleeper { daemon, sleeper in
            let path = "/v1/processes/\(sleeper.pid)/namespace"
            let inode = try ChildProcess.inode(of: String(sleeper.pid))
            let nameless = try await daemon.send("GET", path).json
            #expect(nameless["pid"]?.int == Int(sleeper.pid))
            #expect(nameless["inode"]?.int == inode)
            #expect(nameless["names"] == .array([]))
            for name in ["b", "a"] {
                let body = #"{"name":"\#(name)","from":{"pid":\#(sleeper.pid)}}"#
                #expect(try await daemon.send("POST", Self.collection, body: body).status == 201)
            }
            #expect(try await daemon.send("GET", path).json["names"] == ["a", "b"])
            let host = try await daemon.send("GET", "/v1/processes/\(getpid())/namespace").json
            #expect(host["inode"]?.int == (try ChildProcess.inode(of: "self")))
            let ended = try await ChildProcess.endedID(log: daemon.home.root + "/true")
            #expect(try await daemon.send("GET", "/v1/processes/\(ended)/namespace").problem == "process-not-found")
            for pid in ["abc", "0", "-1", "1.5", "99999999999999999999"] {
                let response = try await daemon.send("GET", "/v1/processes/\(pid)/namespace")
                #expect(["invalid-name", "process-not-found"].contains(response.problem), "\(pid)")
            }
            #expect(try await daemon.send("GET", "/v1/processes/abc/namespace").problem == "invalid-name")
        }
    }

    /// A daemon, and a process in a namespace without a name that holds a file open as descriptor 9.
    private func withSleeper(
        holding file: String = "/proc/self/ns/net", _ body: (Daemon, ChildProcess) async throws -> Void
    ) async throws {
        try await withDaemon { daemon in
            let sleeper = try await ChildProcess.inNewNamespace(
                ["sh", "-c", "exec sleep 60 9< \(file)"], log: daemon.home.root + "/sleep")
            defer { sleeper.kill(9) }
            try await body(daemon, sleeper)
        }
    }
}
