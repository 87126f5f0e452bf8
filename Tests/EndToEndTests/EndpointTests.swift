import TestSupport
import Testing

@Suite("Endpoints", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct EndpointTests {
    @Test("Every endpoint answers as described", arguments: HTTPClient.Transport.allCases)
    func everyEndpoint(over transport: HTTPClient.Transport) async throws {
        try await withDaemon(tcp: true) { daemon in
            let paths = [
                "/healthz", "/readyz", "/openapi.yaml", "/v1/version", "/v1/host", "/v1/namespaces", "/v1/namespaces/a",
                "/v1/namespaces/a/processes", "/v1/processes/\(daemon.pid)/namespace",
            ]
            let created = try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"a"}"#, over: transport)
            #expect(created.status == 201)
            #expect(created.headers["location"] == "/v1/namespaces/a")
            for path in paths {
                let got = try await daemon.send("GET", path, over: transport)
                #expect(got.status == 200, "\(path)")
                let head = try await daemon.send("HEAD", path, over: transport)
                #expect(head.status == 200, "\(path)")
                #expect(head.headers["content-type"] == got.headers["content-type"], "\(path)")
                // The host's counts change while other tests run.
                if path != "/v1/host" {
                    #expect(head.headers["content-length"] == got.headers["content-length"], "\(path)")
                }
                let options = try await daemon.send("OPTIONS", path, over: transport)
                #expect(options.status == 204, "\(path)")
                #expect(options.headers["allow"]?.contains("HEAD") == true, "\(path)")
            }
            #expect(try await daemon.send("DELETE", "/v1/namespaces/a", over: transport).status == 204)
            #expect(try await daemon.send("GET", "/v1/namespaces/a", over: transport).problem == "namespace-not-found")
            #expect(try await daemon.send("DELETE", "/v1/namespaces/a", over: transport).status == 404)
            #expect(daemon.home.names.isEmpty)
            #expect(daemon.home.records.isEmpty)
        }
    }

    @Test("An empty request makes a namespace of a generated name with its loopback up", arguments: [nil, "{}"])
    func emptyBody(_ body: String?) async throws {
        try await withDaemon { daemon in
            let namespace = try await daemon.send("POST", "/v1/namespaces", body: body).json
            let name = try #require(namespace["name"]?.string)
            #expect(name.wholeMatch(of: #/cni-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/#) != nil)
            #expect(namespace["loopback"] == "up")
            #expect(namespace["path"]?.string == daemon.home.netnsDirectory + "/" + name)
            let path = try #require(namespace["path"]?.string)
            let addresses = try await Command.check("nsenter", ["--net=\(path)", "ip", "-o", "link"]).text
            #expect(addresses.contains("LOOPBACK,UP"))
            #expect(addresses.split(separator: "\n").count == 1)
            let node = try await Command.check("stat", ["-L", "-c", "%i", path]).text
            #expect(Int(node.prefix { $0.isNumber }) == namespace["inode"]?.int)
        }
    }

    @Test("A prefix and a loopback that stays down are granted")
    func options() async throws {
        try await withDaemon { daemon in
            let body = #"{"namePrefix":"build","loopback":"down"}"#
            let namespace = try await daemon.send("POST", "/v1/namespaces", body: body).json
            #expect(namespace["name"]?.string?.hasPrefix("build-") == true)
            #expect(namespace["loopback"] == "down")
        }
    }

    @Test("PUT is idempotent, and a conflict where something else was asked for")
    func put() async throws {
        try await withDaemon { daemon in
            #expect(try await daemon.send("PUT", "/v1/namespaces/a").status == 201)
            #expect(try await daemon.send("PUT", "/v1/namespaces/a").status == 200)
            #expect(try await daemon.send("PUT", "/v1/namespaces/a", body: #"{"loopback":"up"}"#).status == 200)
            let other = try await daemon.send("PUT", "/v1/namespaces/a", body: #"{"loopback":"down"}"#)
            #expect(other.problem == "namespace-differs")
            try await Command.check("touch", [daemon.home.netnsDirectory + "/stale"])
            #expect(try await daemon.send("PUT", "/v1/namespaces/stale").problem == "namespace-stale")
        }
    }

    @Test("The list shows everything, page by page, in the byte order of names")
    func paging() async throws {
        try await withDaemon { daemon in
            for name in ["b", "a", "C", "d"] {
                try await daemon.send("PUT", "/v1/namespaces/\(name)")
            }
            try await Command.check("touch", [daemon.home.netnsDirectory + "/aa"])
            var names: [String] = []
            var query = "?limit=2"
            for _ in 0..<5 {
                let page = try await daemon.send("GET", "/v1/namespaces\(query)").json
                #expect(page["total"] == 5)
                let namespaces = try #require(page["namespaces"]?.array)
                #expect(namespaces.count <= 2)
                names += namespaces.compactMap { $0["name"]?.string }
                guard let next = page["next"]?.string else { break }
                query = "?limit=2&after=\(next)"
            }
            #expect(names == ["C", "a", "aa", "b", "d"])
            let stale = try await daemon.send("GET", "/v1/namespaces/aa").json
            #expect(stale["state"] == "stale")
            #expect(stale["origin"] == "external")
            #expect(try await daemon.send("DELETE", "/v1/namespaces/aa").status == 204)
        }
    }

    @Test("ifUnused refuses to delete a namespace with processes inside, and names them")
    func ifUnused() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", "/v1/namespaces/a")
            let path = daemon.home.netnsDirectory + "/a"
            let inside = try ChildProcess(
                ["nsenter", "--net=\(path)", "sleep", "60"], log: daemon.home.root + "/sleep")
            defer { inside.kill(9) }
            try await Task.sleep(for: .milliseconds(500))
            let refused = try await daemon.send("DELETE", "/v1/namespaces/a?ifUnused=true")
            #expect(refused.problem == "namespace-in-use")
            #expect(try refused.json["pids"] == .array([.int(Int(inside.pid))]))
            #expect(try await daemon.send("DELETE", "/v1/namespaces/a?ifUnused=false").status == 204)
            #expect(daemon.home.names.isEmpty)
        }
    }

    @Test("A request id is echoed where it is allowed, and replaced where it is not")
    func requestID() async throws {
        try await withDaemon { daemon in
            let echoed = try await daemon.send("GET", "/healthz", headers: ["X-Request-Id: my.id-1_2"])
            #expect(echoed.headers["x-request-id"] == "my.id-1_2")
            let replaced = try await daemon.send("GET", "/healthz", headers: ["X-Request-Id: not this"])
            #expect(replaced.headers["x-request-id"] != "not this")
        }
    }
}
