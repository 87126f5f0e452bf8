import Foundation
import Glibc
import TestSupport
import Testing

@Suite("Whose is what", .tags(.endToEnd), .timeLimit(.minutes(5)))
struct OwnershipTests {
    private static let collection = "/v1/namespaces"

    /// Operators of a daemon: two with what is their own, one who has been granted what is of the team net.
    private struct Operators: Sendable {
        let first: Presenter
        let second: Presenter
        let granted: Presenter
        let admin = Presenter.user(0)
    }

    private func withOperators(_ body: @Sendable (Daemon, Operators) async throws -> Void) async throws {
        try await withHome { home in
            let file = TokenFileCommand(home.root + "/tokens")
            let operators = Operators(
                first: try await file.new(role: "operator", name: "first"),
                second: try await file.new(role: "operator", name: "second"),
                granted: try await file.new(role: "operator", name: "granted", ["--selector", "team=net,stage!=live"]))
            let arguments = ["--listen", "127.0.0.1:0", "--token-file", file.path]
            try await withDaemon(in: home, arguments: arguments) { try await body($0, operators) }
        }
    }

    @Test("An operator changes, renews, looks into and deletes what is its own, and nothing else")
    func own() async throws {
        try await withOperators { daemon, who in
            let body = #"{"name":"a","leaseSeconds":600,"labels":{"team":"net"}}"#
            let created = try await who.first.send("POST", Self.collection, body: body, to: daemon)
            #expect(created.status == 201)
            #expect(try created.json["createdBy"] == .object(["principal": "token:first", "uid": .null, "pid": .null]))
            let changes: [(method: String, path: String, body: String?, right: String, status: Int)] = [
                ("PATCH", "/v1/namespaces/a", #"{"labels":{"x":"y"}}"#, "change-others", 200),
                ("POST", "/v1/namespaces/a/renew", nil, "change-others", 200),
                ("GET", "/v1/namespaces/a/processes", nil, "inspect-others", 200),
                ("POST", "/v1/namespaces/a/attachments", #"{"network":"none"}"#, "change-others", 422),
                ("DELETE", "/v1/namespaces/a/attachments/none", nil, "change-others", 204),
                ("DELETE", "/v1/namespaces/a?ifUnused=true", nil, "delete-others", 204),
            ]
            for change in changes {
                let refused = try await who.second.send(change.method, change.path, body: change.body, to: daemon)
                #expect(refused.problem == "forbidden", "\(change)")
                #expect(try refused.json["right"]?.string == change.right, "\(change)")
                #expect(refused.text.contains("token:first"), "\(change)")
                #expect(try await who.second.send("GET", "/v1/namespaces/a", to: daemon).status == 200)
                let done = try await who.first.send(change.method, change.path, body: change.body, to: daemon)
                #expect(done.status == change.status, "\(change)")
            }
        }
    }

    @Test("A grant covers what has the labels, and what nobody has labelled is the administrators'")
    func grant() async throws {
        try await withOperators { daemon, who in
            for (name, labels) in [("a", #"{"team":"net"}"#), ("b", #"{"team":"net","stage":"live"}"#), ("c", "{}")] {
                _ = try await who.first.send(
                    "POST", Self.collection, body: #"{"name":"\#(name)","labels":\#(labels)}"#, to: daemon)
            }
            try await Command.check("touch", [daemon.home.netnsDirectory + "/stale"])
            #expect(try await who.granted.send("PATCH", "/v1/namespaces/a", body: "{}", to: daemon).status == 200)
            for name in ["b", "c", "stale"] {
                #expect(
                    try await who.granted.send("DELETE", "/v1/namespaces/\(name)", to: daemon).status == 403, "\(name)")
            }
            let one = #"{"labels":{"team":null}}"#
            #expect(try await who.granted.send("PATCH", "/v1/namespaces/a", body: one, to: daemon).status == 200)
            #expect(try await who.granted.send("DELETE", "/v1/namespaces/a", to: daemon).status == 403)
            #expect(try await who.admin.send("DELETE", "/v1/namespaces/stale", to: daemon).status == 204)
            #expect(try await who.admin.send("DELETE", "/v1/namespaces/a", to: daemon).status == 204)
        }
    }

    @Test("A deletion by label takes what is one's own, and tells of the rest", arguments: [false, true])
    func bulk(dryRun: Bool) async throws {
        try await withOperators { daemon, who in
            for (owner, name) in [(who.first, "a"), (who.second, "b"), (who.admin, "c")] {
                let body = #"{"name":"\#(name)","labels":{"job":"7"}}"#
                #expect(try await owner.send("POST", Self.collection, body: body, to: daemon).status == 201)
            }
            let path = "\(Self.collection)?label=job=7&dryRun=\(dryRun)"
            let answer = try await who.first.send("DELETE", path, to: daemon).json
            #expect(answer["deleted"] == ["a"])
            #expect(answer["failed"]?.array?.compactMap { $0["name"]?.string } == ["b", "c"])
            let rights = answer["failed"]?.array?.compactMap { $0["problem"]?["right"]?.string }
            #expect(rights == ["delete-others", "delete-others"])
            #expect(daemon.home.names == (dryRun ? ["a", "b", "c"] : ["b", "c"]))
        }
    }

    @Test("Only an administrator gives names to existing namespaces, alone and in batches, or takes over others'")
    func adoption() async throws {
        try await withOperators { daemon, who in
            let adopting = #"{"name":"mine","from":{"pid":\#(getpid())}}"#
            let refused = try await who.first.send("POST", Self.collection, body: adopting, to: daemon)
            #expect(try refused.json["right"] == "adopt")
            let items = #"[{"name":"x"},\#(adopting),{"name":"y"}]"#
            let batch = "\(Self.collection):batch"
            let mixed = try await who.first.send("POST", batch, body: #"{"items":\#(items)}"#, to: daemon)
            #expect(try mixed.json["results"]?.array?.compactMap { $0["status"]?.int } == [201, 403, 201])
            let key = ["Idempotency-Key: once"]
            let atomic = #"{"atomic":true,"items":[{"name":"z"},\#(adopting)]}"#
            let none = try await who.first.send("POST", batch, body: atomic, headers: key, to: daemon)
            #expect(none.status == 403)
            #expect(none.problem == "batch-failed")
            #expect(daemon.home.names == ["x", "y"])

            try await Command.check("ip", ["netns", "add", "netnsd-access"])
            defer { Task { try? await Command.run("ip", ["netns", "delete", "netnsd-access"]) } }
            let path = daemon.home.netnsDirectory + "/foreign"
            try await Command.check("touch", [path])
            try await Command.check("mount", ["--bind", "/run/netns/netnsd-access", path])
            let foreign = try await who.first.send("PATCH", "/v1/namespaces/foreign", body: "{}", to: daemon)
            #expect(try foreign.json["right"] == "change-others")
            #expect(try await who.first.send("DELETE", "/v1/namespaces/foreign", to: daemon).status == 403)
            #expect(try await who.admin.send("POST", Self.collection, body: adopting, to: daemon).status == 201)
            #expect(try await who.admin.send("DELETE", "/v1/namespaces/foreign", to: daemon).status == 204)
            #expect(try await who.admin.send("DELETE", "/v1/namespaces/mine", to: daemon).status == 204)
            try await Command.check("ip", ["netns", "delete", "netnsd-access"])
        }
    }

    @Test("Everybody has idempotency keys of their own")
    func keys() async throws {
        try await withOperators { daemon, who in
            let key = ["Idempotency-Key: same"]
            let first = try await who.first.send("POST", Self.collection, body: "{}", headers: key, to: daemon)
            let second = try await who.second.send("POST", Self.collection, body: "{}", headers: key, to: daemon)
            #expect(first.status == 201)
            #expect(second.status == 201)
            #expect(try first.json["name"] != second.json["name"])
            let again = try await who.first.send("POST", Self.collection, body: "{}", headers: key, to: daemon)
            #expect(again.headers["idempotent-replayed"] == "true")
            #expect(try again.json["name"] == first.json["name"])
        }
    }

    @Test("What is whose outlives the daemon, also in records that an earlier version has written")
    func restart() async throws {
        try await withHome { home in
            let arguments = ["--socket-mode", "666", "--peer", "uid:65002=operator", "--peer", "uid:65003=operator"]
            let (owner, other) = (Presenter.user(65002), Presenter.user(65003))
            try await withDaemon(in: home, arguments: arguments) { daemon in
                for name in ["a", "b"] {
                    let path = "/v1/namespaces/\(name)"
                    let created = try await owner.send("PUT", path, body: "{}", to: daemon)
                    #expect(created.status == 201)
                }
                let status = try await daemon.stop()
                #expect(status == 0)
            }
            var edited = 0
            try home.editRecords { line in
                guard line.contains(#""name":"b""#) else { return line }
                #expect(line.contains(#""principal":"uid:65002","#))
                edited += 1
                return line.replacingOccurrences(of: #""principal":"uid:65002","#, with: "")
            }
            #expect(edited == 1)
            try await withDaemon(in: home, arguments: arguments) { daemon in
                for name in ["a", "b"] {
                    let path = "/v1/namespaces/\(name)"
                    let refused = try await other.send("DELETE", path, to: daemon)
                    #expect(refused.status == 403)
                    let deleted = try await owner.send("DELETE", path, to: daemon)
                    #expect(deleted.status == 204)
                }
            }
        }
    }
}
