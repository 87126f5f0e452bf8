import Foundation
import Glibc
import TestSupport
import Testing

@Suite("The audit log", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct AuditTests {
    private static let collection = "/v1/namespaces"
    private static let members = [
        "client", "dryRun", "durationMicroseconds", "errno", "event", "failed", "failedCount", "method", "outcome",
        "principal", "problem", "request", "route", "status", "targetCount", "targets", "time",
    ]

    @Test("Every mutation and every refusal of one is a line that says who, what and what came of it; a read is none")
    func mutations() async throws {
        try await withAudit { daemon, audit in
            let created = try await daemon.send("POST", Self.collection, body: #"{"name":"a"}"#)
            try await daemon.send("GET", Self.collection + "/a")
            try await daemon.send("POST", Self.collection, body: #"{"name":"a"}"#)
            let generated = try await daemon.send("POST", Self.collection, headers: ["Idempotency-Key: k"])
            try await daemon.send("POST", Self.collection, headers: ["Idempotency-Key: k"])
            try await daemon.send("PATCH", Self.collection + "/a", body: #"{"labels":{"l":"1"}}"#)
            try await daemon.send("DELETE", Self.collection + "/a", headers: ["X-Request-Id: mine"])
            try await daemon.send("DELETE", Self.collection + "/a")
            try await daemon.send("PUT", "/nowhere")
            try await daemon.send("GET", "/nowhere")
            let name = try #require(try generated.json["name"])
            let lines = try await audit.lines(8)
            let route = JSONValue.string("/v1/namespaces/{name}")
            let expected: [(JSONValue, JSONValue, JSONValue, Int, JSONValue, JSONValue)] = [
                ("POST", "/v1/namespaces", ["a"], 201, .null, "done"),
                ("POST", "/v1/namespaces", ["a"], 409, "name-taken", "refused"),
                ("POST", "/v1/namespaces", .array([name]), 201, .null, "done"),
                ("POST", "/v1/namespaces", .array([name]), 201, .null, "done"),
                ("PATCH", route, ["a"], 200, .null, "done"),
                ("DELETE", route, ["a"], 204, .null, "done"),
                ("DELETE", route, ["a"], 404, "namespace-not-found", "refused"),
                ("PUT", "unmatched", [], 404, "route-not-found", "refused"),
            ]
            #expect(lines.count == expected.count)
            for (line, expected) in zip(lines, expected) {
                #expect(line.object?.keys.sorted() == Self.members)
                #expect(line["method"] == expected.0, "\(line)")
                #expect(line["route"] == expected.1, "\(line)")
                #expect(line["targets"] == expected.2, "\(line)")
                #expect(line["targetCount"]?.int == expected.2.array?.count, "\(line)")
                #expect(line["status"] == .int(expected.3), "\(line)")
                #expect(line["problem"] == expected.4, "\(line)")
                #expect(line["outcome"] == expected.5, "\(line)")
                #expect(line["event"] == "request")
                #expect(line["principal"]?["name"] == .string("uid:\(getuid())"), "\(line)")
                #expect(line["client"]?["transport"] == "unix")
                #expect(line["client"]?["uid"] == .int(Int(getuid())))
                #expect((line["client"]?["pid"]?.int ?? 0) > 0)
                #expect((0..<10_000_000).contains(line["durationMicroseconds"]?.int ?? -1))
                let time = try Date(line["time"]?.string ?? "", strategy: .iso8601withFraction)
                #expect(abs(time.timeIntervalSinceNow) < 60)
            }
            #expect(lines[0]["request"]?.string == created.headers["x-request-id"])
            #expect(lines[1]["errno"] == "EEXIST")
            #expect(lines[5]["request"] == "mine")
            let mode = try FileManager.default.attributesOfItem(atPath: audit.path)[.posixPermissions] as? Int
            #expect(mode == 0o640)
            #expect(try await daemon.metrics.sum("netnsd_audit_records_written_total") == Double(lines.count))
        }
    }

    @Test("What a client sends can forge no line, and over TCP its address is who it is")
    func hostileNames() async throws {
        try await withAudit(tcp: true) { daemon, audit in
            let name = "%22%2c%22status%22%3a204%7d%0a%7b%22time%22%3a%22"
            #expect(try await daemon.send("DELETE", "\(Self.collection)/\(name)", over: .tcp).status == 404)
            #expect(try await daemon.send("DELETE", "\(Self.collection)/%ff%fe", over: .tcp).status == 404)
            let lines = try await audit.lines(2)
            #expect(lines.count == 2)
            #expect(lines[0]["targets"] == [#"","status":204}\#n{"time":""#])
            #expect(lines[0]["status"] == 404)
            #expect(lines[1]["targets"] == ["%FF%FE"])
            #expect(lines[0]["principal"]?["name"] == "address:127.0.0.1")
            #expect(
                lines[0]["client"]
                    == .object([
                        "transport": "tcp", "address": "127.0.0.1", "uid": .null, "gid": .null, "pid": .null,
                    ]))
        }
    }

    @Test("A lease that ends is the daemon's own doing")
    func lease() async throws {
        try await withAudit { daemon, audit in
            try await daemon.send("PUT", Self.collection + "/a", body: #"{"leaseSeconds":1}"#)
            let line = try #require(try await audit.lines(2).last)
            #expect(line.object?.keys.sorted() == Self.members)
            #expect(line["event"] == "lease-expiry")
            #expect(line["principal"]?["name"] == "netnsd")
            #expect(line["client"] == .null)
            #expect(line["targets"] == ["a"])
            #expect(line["outcome"] == "done")
        }
    }

    @Test("A batch, a deletion of many and a prune name everything they touched, and what they could not")
    func many() async throws {
        try await withAudit { daemon, audit in
            try await daemon.send("PUT", Self.collection + "/taken")
            let items = ["x", "taken", "y"].map { #"{"name":"\#($0)","labels":{"l":"1"}}"# }.joined(separator: ",")
            try await daemon.send("POST", Self.collection + ":batch", body: "{\"items\":[\(items)]}")
            let atomic = "{\"atomic\":true,\"items\":[{\"name\":\"z\"},{\"name\":\"taken\"}]}"
            #expect(try await daemon.send("POST", Self.collection + ":batch", body: atomic).status == 409)
            try await daemon.send("DELETE", Self.collection + "?label=l&dryRun=true")
            try await daemon.send("DELETE", Self.collection + "?label=l")
            let lines = try await audit.lines(5).dropFirst()
            let expected: [(JSONValue, JSONValue, JSONValue, Bool)] = [
                (["x", "y"], ["taken"], "partial", false), ([], ["z", "taken"], "refused", false),
                (["x", "y"], [], "done", true), (["x", "y"], [], "done", false),
            ]
            #expect(lines.count == expected.count)
            for (line, expected) in zip(lines, expected) {
                #expect(line["targets"] == expected.0, "\(line)")
                #expect(line["failed"] == expected.1, "\(line)")
                #expect(line["failedCount"]?.int == expected.1.array?.count, "\(line)")
                #expect(line["outcome"] == expected.2, "\(line)")
                #expect(line["dryRun"] == .bool(expected.3), "\(line)")
            }
        }
    }

    @Test("200 creates at once are 200 lines, one each, and SIGTERM loses none")
    func parallel() async throws {
        try await withAudit { daemon, audit in
            let endpoint = try daemon.endpoint()
            try await offload {
                let connections = try (0..<200).map { _ in try RawConnection(endpoint) }
                for (number, connection) in connections.enumerated() {
                    try connection.send("POST", Self.collection, body: "{\"name\":\"n\(number)\"}")
                }
                for connection in connections { #expect(try connection.response().status == 201) }
            }
            #expect(try await daemon.stop() == 0)
            let names = try audit.all.compactMap { $0["targets"]?[0]?.string }
            #expect(names.count == 200)
            #expect(Set(names).count == 200)
        }
    }

    @Test("A full disk keeps nobody waiting; what is lost is counted and told of once, and no line is cut")
    func fullDisk() async throws {
        try await withHome { home in
            let disk = home.root + "/disk"
            try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
            try await Command.check("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", disk])
            defer { umount2(disk, Int32(MNT_DETACH)) }
            let audit = Audit(path: disk + "/audit.jsonl")
            let filler = try #require(
                FileManager.default.createFile(atPath: disk + "/filler", contents: nil) ? disk : nil)
            try Data(repeating: 0, count: 32 << 10).write(to: URL(filePath: filler + "/filler"))
            try await withDaemon(in: home, arguments: ["--audit-log", audit.path]) { daemon in
                let endpoint = try daemon.endpoint()
                func create(_ range: Range<Int>) async throws {
                    try await offload {
                        let connection = try RawConnection(endpoint)
                        for _ in range {
                            #expect(try connection.exchange("PUT", Self.collection + "/a", body: "").status < 300)
                        }
                    }
                }
                func settled() async throws -> (written: Double, lost: Double) {
                    let metrics = try await daemon.metrics
                    return (
                        metrics.sum("netnsd_audit_records_written_total") ?? 0,
                        metrics.sum("netnsd_audit_records_lost_total", ["reason": "write-failed"]) ?? 0
                    )
                }
                try await create(0..<200)
                try await eventually(within: 5, "the count of all") {
                    let (written, lost) = try await settled()
                    return written + lost == 200
                }
                let (written, lost) = try await settled()
                #expect(written > 20)
                #expect(lost > 20)
                #expect(try audit.all.count == Int(written))
                #expect(daemon.log.split(separator: "\n").count { $0.contains("audit log cannot be written") } == 1)
                try FileManager.default.removeItem(atPath: disk + "/filler")
                try await create(0..<1)
                #expect(try await audit.lines(Int(written) + 1).count == Int(written) + 1)
                #expect(daemon.log.contains("the audit log is written again"))
            }
        }
    }

    @Test("A file that cannot be opened, or is no path, keeps the daemon from starting, with one line")
    func noFile() async throws {
        try await withHome { home in
            for (file, word) in [(home.root + "/none/audit", "No such file"), ("audit.jsonl", "absolute")] {
                let start = try await Command.run(
                    try Daemon.executable(), ["serve", "--audit-log", file] + home.arguments)
                #expect(start.status != 0)
                #expect(start.errors.contains(word), "\(start.errors)")
            }
        }
    }

    private struct Audit {
        let path: String

        /// All lines so far, of which every one must be whole.
        var all: [JSONValue] {
            get throws {
                let text = try String(contentsOfFile: path, encoding: .utf8)
                guard text.isEmpty || text.hasSuffix("\n") else { throw TestFailure("a cut line: \(text.suffix(300))") }
                return try text.split(separator: "\n").map { try JSONValue(parsing: Data($0.utf8)) }
            }
        }

        /// All lines, once there are that many: they are written a moment after the answer. One more would be found by
        /// its being there with them a moment later.
        func lines(_ count: Int) async throws -> [JSONValue] {
            try? await eventually(within: 3, "\(count) lines") { try all.count >= count }
            try await Task.sleep(for: .milliseconds(50))
            return try all
        }
    }

    private func withAudit(tcp: Bool = false, _ body: (Daemon, Audit) async throws -> Void) async throws {
        try await withHome { home in
            let audit = Audit(path: home.root + "/audit.jsonl")
            try await withDaemon(in: home, arguments: ["--audit-log", audit.path], tcp: tcp) {
                try await body($0, audit)
            }
        }
    }
}

extension ParseStrategy where Self == Date.ISO8601FormatStyle {
    fileprivate static var iso8601withFraction: Self {
        .iso8601.time(includingFractionalSeconds: true).year().month().day()
    }
}
