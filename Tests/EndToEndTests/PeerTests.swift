import TestSupport
import Testing

@Suite("Peers of links", .tags(.endToEnd), .timeLimit(.minutes(3)))
struct PeerTests {
    @Test("A peer in another namespace is told of by name from both ends, and goes with either")
    func acrossNamespaces() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b", "c"])
            let body = """
                {"name":"x","kind":"veth","up":true,"addresses":["10.0.0.1/24"],
                "peer":{"namespace":"b","name":"y","up":true,"addresses":["10.0.0.2/24","fd00::2/64"]}}
                """
            let made = try await daemon.expect(201, "POST", "/v1/namespaces/a/links", body)
            let other = try await daemon.expect(200, "GET", "/v1/namespaces/b/links/y")
            for (end, peer, namespace, link) in [(made, other, "b", "y"), (other, made, "a", "x")] {
                #expect(end["peer"]?["namespace"]?.string == namespace)
                #expect(end["peer"]?["link"]?.string == link)
                #expect(end["peer"]?["index"] == peer["index"])
                #expect(end["peer"]?["host"] == .bool(false))
            }
            #expect(try await daemon.home.inside("a", "ping", ["-c", "1", "-W", "5", "10.0.0.2"]).status == 0)
            let listed = try await daemon.expect(200, "GET", "/v1/namespaces/b/links")["links"]?.array ?? []
            #expect(listed.first { $0["name"] == "y" }?["peer"]?["namespace"] == "a")

            // Made and moved by others, between two of ours.
            try await daemon.home.ip("a", "link add m0 type veth peer name n netns \(daemon.home.netnsDirectory)/c")
            let moved = try await daemon.expect(200, "GET", "/v1/namespaces/c/links/n")
            #expect(moved["peer"]?["namespace"] == "a")
            #expect(moved["peer"]?["link"] == "m0")

            try await daemon.expect(204, "DELETE", "/v1/namespaces/b/links/y")
            #expect(try await daemon.problem("GET", "/v1/namespaces/a/links/x") == "link-not-found")
            let taken = #"{"name":"x","kind":"veth","peer":{"namespace":"c","name":"n"}}"#
            #expect(try await daemon.problem("POST", "/v1/namespaces/a/links", taken) == "link-taken")
            #expect(try await daemon.home.ipLink("a", "x") == nil)
            let refused = #"{"name":"x","kind":"veth","peer":{"namespace":"c","name":"z","addresses":["ff02::7/64"]}}"#
            #expect(try await daemon.problem("POST", "/v1/namespaces/a/links", refused) == "refused-by-kernel")
            #expect(try await daemon.home.ipLink("a", "x") == nil)
            #expect(try await daemon.home.ipLink("c", "z") == nil)
        }
    }

    @Test("Only an administrator reaches into the host, and an operator into what is its own")
    func rights() async throws {
        try await withHome { home in
            let arguments = ["--socket-mode", "666", "--peer", "uid:65002=operator", "--peer", "uid:65003=operator"]
            let (owner, stranger, admin) = (Presenter.user(65002), Presenter.user(65003), Presenter.user(0))
            try await withDaemon(in: home, arguments: arguments) { daemon in
                for (who, name) in [(owner, "a"), (stranger, "b")] {
                    _ = try await who.send("PUT", "/v1/namespaces/\(name)", body: "{}", to: daemon)
                }
                // Unique on the host, which this test does not own.
                let link = "nt\(daemon.pid)"
                let body = "{\"name\":\"x\",\"kind\":\"veth\",\"peer\":{\"host\":true,\"name\":\"\(link)\"}}"
                let refused = try await owner.send("POST", "/v1/namespaces/a/links", body: body, to: daemon)
                #expect(refused.problem == "forbidden")
                #expect(try refused.json["right"] == "host")
                #expect(try await home.ipLinks("a") == ["lo"])

                let made = try await admin.send("POST", "/v1/namespaces/a/links", body: body, to: daemon)
                #expect(made.status == 201, "\(made.text)")
                #expect(try made.json["peer"]?["host"] == .bool(true))
                #expect(try made.json["peer"]?["link"]?.string == link)
                #expect(try made.json["peer"]?["namespace"] == .null)
                #expect(try await Command.run("ip", ["link", "show", link]).status == 0)
                let deleted = try await owner.send("DELETE", "/v1/namespaces/a/links/x", to: daemon)
                #expect(deleted.status == 204)
                #expect(try await Command.run("ip", ["link", "show", link]).status != 0)

                let across = #"{"name":"x","kind":"veth","peer":{"namespace":"b","name":"y"}}"#
                let foreign = try await owner.send("POST", "/v1/namespaces/a/links", body: across, to: daemon)
                #expect(try foreign.json["right"] == "change-others")
                let wire = #"{"id":"w","a":{"namespace":"a","link":"x"},"b":{"namespace":"b","link":"y"}}"#
                let wired = try await owner.send("POST", "/v1/wires", body: wire, to: daemon)
                #expect(try wired.json["right"] == "change-others")
                #expect(home.wireRecords.isEmpty)
                #expect(try await home.ipLinks("a") == ["lo"])

                #expect(try await admin.send("POST", "/v1/wires", body: wire, to: daemon).status == 201)
                for (method, body) in [("PATCH", "{}"), ("DELETE", nil)] as [(String, String?)] {
                    let answer = try await owner.send(method, "/v1/wires/w", body: body, to: daemon)
                    #expect(try answer.json["right"] == "change-others", "\(method)")
                }
                #expect(try await stranger.send("GET", "/v1/wires/w", to: daemon).status == 200)
                #expect(try await admin.send("DELETE", "/v1/wires/w", to: daemon).status == 204)
            }
        }
    }
}
