import Foundation
import TestSupport
import Testing

@Suite("Many at once", .tags(.endToEnd), .timeLimit(.minutes(3)))
struct BatchTests {
    private static let collection = "/v1/namespaces"
    private static let batch = "/v1/namespaces:batch"

    @Test("A batch of 500 makes 500 namespaces; a selector deletes them, once it is no dry run")
    func fiveHundred() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.collection + "/other")
            let pad = String(repeating: "x", count: 60)
            let items = (0..<500).map {
                #"{"name":"n\#($0)","loopback":"down","labels":{"batch":"x","a":"\#(pad)","b":"\#(pad)"}}"#
            }
            let body = "{\"items\":[\(items.joined(separator: ","))]}"
            #expect(body.utf8.count > 65536)
            let response = try await daemon.send("POST", Self.batch, body: body)
            #expect(response.status == 200, "\(response.text.prefix(500))")
            #expect(try response.json["atomic"] == false)
            let results = try #require(try response.json["results"]?.array)
            #expect(results.allSatisfy { $0["status"] == 201 })
            let made = results.map { $0["namespace"] }
            #expect(made.map { $0?["name"]?.string } == (0..<500).map { "n\($0)" })
            #expect(Set(made.compactMap { $0?["inode"]?.int }).count == 500)
            #expect(daemon.home.names.count == 501)
            #expect(try await daemon.send("GET", Self.collection + "/n7").json == made[7])

            let names = (0..<500).map { "n\($0)" }.sorted()
            let query = "?label=batch=x"
            let dry = try await daemon.send("DELETE", Self.collection + query + "&dryRun=true").json
            #expect(dry["deleted"]?.array?.compactMap(\.string) == names)
            #expect(dry["dryRun"] == true)
            #expect(daemon.home.names.count == 501)
            let deleted = try await daemon.send("DELETE", Self.collection + query).json
            #expect(deleted["deleted"]?.array?.compactMap(\.string) == names)
            #expect(deleted["failed"] == .array([]))
            #expect(deleted["dryRun"] == false)
            #expect(daemon.home.names == ["other"])
            #expect(daemon.home.records.count == 1)
        }
    }

    @Test("Each item succeeds or fails alone, and is answered in its place")
    func resultsPerItem() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.collection + "/taken")
            let ended = try await ChildProcess.endedID(log: daemon.home.root + "/true")
            let items =
                #"[{"name":"a"},{"name":"taken"},{"namePrefix":"p","leaseSeconds":600},{"from":{"pid":\#(ended)}},{}]"#
            let results = try await daemon.send("POST", Self.batch, body: "{\"items\":\(items)}").json["results"]
            #expect(results?.array?.compactMap { $0["status"]?.int } == [201, 409, 201, 422, 201])
            #expect(results?[0]?["namespace"]?["name"] == "a")
            #expect(results?[1]?["problem"]?["type"] == "urn:netnsd:problem:name-taken")
            #expect(results?[2]?["namespace"]?["name"]?.string?.hasPrefix("p-") == true)
            #expect(results?[2]?["namespace"]?["lease"]?["seconds"] == 600)
            #expect(results?[3]?["problem"]?["type"] == "urn:netnsd:problem:source-not-found")
            #expect(daemon.home.names.count == 4)
        }
    }

    @Test("An atomic batch of which one fails leaves nothing of itself")
    func atomic() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.collection + "/taken")
            let items = (0..<50).map { "{\"name\":\"\($0 == 40 ? "taken" : "n\($0)")\"}" }.joined(separator: ",")
            let failed = try await daemon.send("POST", Self.batch, body: "{\"items\":[\(items)],\"atomic\":true}")
            #expect(failed.status == 409)
            #expect(failed.problem == "batch-failed")
            #expect(try failed.json["item"] == 40)
            #expect(try failed.json["cause"]?["type"] == "urn:netnsd:problem:name-taken")
            #expect(daemon.home.names == ["taken"])
            #expect(daemon.home.records.count == 1)
            #expect(try daemon.resources.mounts == 2)
            #expect(try await daemon.send("GET", Self.collection).json["total"] == 1)

            let ended = try await ChildProcess.endedID(log: daemon.home.root + "/true")
            let source = #"{"items":[{"name":"a"},{"from":{"pid":\#(ended)}}],"atomic":true}"#
            let missing = try await daemon.send("POST", Self.batch, body: source)
            #expect(missing.status == 422)
            #expect(missing.problem == "batch-failed")
            #expect(daemon.home.names == ["taken"])

            let well = try await daemon.send(
                "POST", Self.batch, body: #"{"items":[{"name":"a"},{"name":"b"}],"atomic":true}"#)
            #expect(well.status == 200)
            #expect(try well.json["atomic"] == true)
            #expect(daemon.home.names == ["a", "b", "taken"])
        }
    }

    @Test("A batch with anything wrong in it is refused whole, and says what")
    func refused() async throws {
        try await withDaemon { daemon in
            let tooMany = Array(repeating: "{}", count: 1001).joined(separator: ",")
            let bodies = [
                ("{}", "items"), (#"{"items":[]}"#, "items"), (#"{"items":{}}"#, "items"),
                ("{\"items\":[\(tooMany)]}", "items"), (#"{"items":[{}],"atomic":"yes"}"#, "atomic"),
                (#"{"items":[{}],"colour":1}"#, "colour"), (#"{"items":[{},1]}"#, "items.1"),
                (#"{"items":[{"colour":1}]}"#, "items.0.colour"), (#"{"items":[{},{"name":"-"}]}"#, "items.1.name"),
                (#"{"items":[{"name":"a"},{},{"name":"a"}]}"#, "items.2.name"),
                (#"{"items":[{"labels":{"team":1}}]}"#, "items.0.labels.team"),
                (#"{"items":[{"from":{"path":"/etc"}}]}"#, "items.0.from.path"),
                (#"{"items":[{"name":"a","namePrefix":"b"}]}"#, "items.0.namePrefix"), ("[]", "(body)"),
            ]
            for (body, field) in bodies {
                let response = try await daemon.send("POST", Self.batch, body: body)
                #expect(response.problem == "invalid-field", "\(body.prefix(80)): \(response.text)")
                #expect(try response.json["field"]?.string == field, "\(body.prefix(80)): \(response.text)")
            }
            #expect(try await daemon.send("POST", Self.batch, body: "{").problem == "malformed-json")
            let text = try await daemon.send("POST", Self.batch, body: "{}", type: "text/plain")
            #expect(text.problem == "unsupported-media-type")
            let large = String(repeating: " ", count: 1_048_577)
            #expect(try await daemon.send("POST", Self.batch, body: large).problem == "content-too-large")
            #expect(try await daemon.send("GET", Self.batch).problem == "method-not-allowed")
            #expect(daemon.home.names.isEmpty)
            let thousand = Array(repeating: #"{"loopback":"down"}"#, count: 1000).joined(separator: ",")
            #expect(try await daemon.send("POST", Self.batch, body: "{\"items\":[\(thousand)]}").status == 200)
            #expect(daemon.home.names.count == 1000)
        }
    }

    @Test("Deleting many needs a label, holds to all filters, and goes on where one cannot be deleted")
    func deletion() async throws {
        try await withDaemon { daemon in
            for (name, labels) in [("a", #"{"t":"x"}"#), ("b", #"{"t":"x","keep":""}"#), ("c", #"{"t":"y"}"#)] {
                try await daemon.send("PUT", "\(Self.collection)/\(name)", body: "{\"labels\":\(labels)}")
            }
            for query in ["", "?state=ready", "?origin=created&prefix=a", "?dryRun=true", "?label=", "?label=-a"] {
                let response = try await daemon.send("DELETE", Self.collection + query)
                #expect(response.problem == "invalid-parameter", "\(query)")
                #expect(try response.json["field"] == "label", "\(query)")
            }
            let bad = try await daemon.send("DELETE", Self.collection + "?label=t&dryRun=perhaps")
            #expect(try bad.json["field"] == "dryRun")
            #expect(daemon.home.names == ["a", "b", "c"])

            let inside = try ChildProcess(
                ["nsenter", "--net=\(daemon.home.netnsDirectory)/a", "sleep", "60"], log: daemon.home.root + "/sleep")
            defer { inside.kill(9) }
            try await Task.sleep(for: .milliseconds(500))
            let filtered = "?label=t&label=t!=y&state=ready&origin=created&ifUnused=true"
            let answer = try await daemon.send("DELETE", Self.collection + filtered).json
            #expect(answer["deleted"] == ["b"])
            #expect(answer["failed"]?.array?.count == 1)
            #expect(answer["failed"]?[0]?["name"] == "a")
            let problem = answer["failed"]?[0]?["problem"]
            #expect(problem?["type"] == "urn:netnsd:problem:namespace-in-use")
            #expect(problem?["pids"] == .array([.int(Int(inside.pid))]))
            let nothing = try await daemon.send("DELETE", Self.collection + "?label=none").json
            #expect(nothing["deleted"] == .array([]))
            #expect(try await daemon.send("DELETE", Self.collection + "?label=t&prefix=a").json["deleted"] == ["a"])
            #expect(daemon.home.names == ["c"])
        }
    }

    @Test("Pruning removes stale files alone, once it is no dry run")
    func prune() async throws {
        try await withDaemon { daemon in
            let path = Self.collection + ":prune"
            let directory = daemon.home.netnsDirectory
            try await daemon.send("PUT", Self.collection + "/ours")
            try await daemon.home.addExternal("theirs")
            try await Command.check("touch", [directory + "/s2", directory + "/s1"])
            try await Command.check("mkdir", [directory + "/d"])
            try await Task.sleep(for: .milliseconds(200))
            let dry = try await daemon.send("POST", path + "?dryRun=true").json
            #expect(dry["deleted"] == ["s1", "s2"])
            #expect(dry["dryRun"] == true)
            #expect(daemon.home.names == ["d", "ours", "s1", "s2", "theirs"])
            let pruned = try await daemon.send("POST", path).json
            #expect(pruned["deleted"] == ["s1", "s2"])
            #expect(pruned["failed"]?.array?.count == 1)
            #expect(pruned["failed"]?[0]?["name"] == "d")
            #expect(pruned["failed"]?[0]?["problem"]?["type"] == "urn:netnsd:problem:not-a-namespace")
            #expect(daemon.home.names == ["d", "ours", "theirs"])
            #expect(try await daemon.send("POST", path).json["deleted"] == .array([]))
            #expect(try await daemon.send("POST", path + "?label=a").problem == "invalid-parameter")
        }
    }
}
