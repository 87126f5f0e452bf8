import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

@Suite("What is answered again", .tags(.endToEnd), .serialized, .timeLimit(.minutes(2)))
struct RecentAnswerTests {
    private static let collection = "/v1/namespaces"

    @Test("What others change shows in the next answer, however often it was asked for before")
    func fresh() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.collection + "/ours")
            try await daemon.home.addExternal("theirs")
            func shown() async throws -> [String] {
                var shown: [String] = []
                for name in ["ours", "theirs"] {
                    let one = try await daemon.send("GET", "\(Self.collection)/\(name)").json
                    shown.append(one["loopback"]?.string ?? "none")
                }
                for entry in try await daemon.send("GET", Self.collection).json["namespaces"]?.array ?? [] {
                    shown.append(entry["loopback"]?.string ?? "none")
                }
                return shown
            }
            for round in 0..<20 {
                let state = round % 2 == 0 ? "down" : "up"
                for name in ["ours", "theirs"] {
                    let path = "\(daemon.home.netnsDirectory)/\(name)"
                    try await Command.check("nsenter", ["--net=\(path)", "ip", "link", "set", "lo", state])
                }
                for _ in 0..<3 { #expect(try await shown() == Array(repeating: state, count: 4), "round \(round)") }
            }
            try await Command.check("umount", [daemon.home.netnsDirectory + "/theirs"])
            #expect(try await daemon.send("GET", Self.collection + "/theirs").json["state"] == "stale")
            try await Command.check("rm", [daemon.home.netnsDirectory + "/theirs"])
            #expect(try await daemon.send("GET", Self.collection + "/theirs").status == 404)
            #expect(try await daemon.send("GET", Self.collection).json["total"] == 1)
        }
    }

    @Test("What a symbolic link leads to is looked at each time")
    func link() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.collection + "/a")
            let sleeper = try ChildProcess(["unshare", "--net", "sleep", "300"], log: "/dev/null")
            defer { sleeper.kill(SIGKILL) }
            let path = daemon.home.netnsDirectory + "/link"
            try FileManager.default.createSymbolicLink(
                atPath: path, withDestinationPath: "/proc/\(sleeper.pid)/ns/net")
            func state() async throws -> String? {
                _ = try await daemon.send("GET", Self.collection)
                return try await daemon.send("GET", Self.collection + "/link").json["state"]?.string
            }
            for _ in 0..<3 { #expect(try await state() == "ready") }
            sleeper.kill(SIGKILL)
            _ = try await sleeper.wait(seconds: 5)
            for _ in 0..<3 { #expect(try await state() == "stale") }
        }
    }

    @Test("What is changed through the daemon shows in the next answer")
    func changed() async throws {
        try await withDaemon { daemon in
            try await daemon.send("PUT", Self.collection + "/a")
            for round in 0..<20 {
                for _ in 0..<2 {
                    let before = try await daemon.send("GET", Self.collection + "/a").json
                    #expect(before["labels"]?["round"]?.string == (round == 0 ? nil : "\(round - 1)"))
                }
                let patch = #"{"labels":{"round":"\#(round)"}}"#
                let patched = try await daemon.send("PATCH", Self.collection + "/a", body: patch)
                let got = try await daemon.send("GET", Self.collection + "/a")
                #expect(try got.json == patched.json)
                #expect(got.headers["etag"] == patched.headers["etag"])
                #expect(try await daemon.send("GET", Self.collection + "?label=round=\(round)").json["total"] == 1)
                try await daemon.send("PUT", "\(Self.collection)/b\(round)")
                #expect(try await daemon.send("GET", Self.collection).json["total"]?.int == round + 2)
            }
        }
    }

    @Test(
        "Who keeps a connection and asks the same again sees every change, and every answer is counted",
        arguments: [HTTPClient.Transport.unixSocket, .tcp])
    func kept(_ transport: HTTPClient.Transport) async throws {
        try await withDaemon(tcp: true) { daemon in
            let endpoint = try daemon.endpoint(transport)
            try await daemon.send("PUT", Self.collection + "/a")
            let lists = Mutex(try RawConnection(endpoint))
            let items = Mutex(try RawConnection(endpoint))
            var ids: Set<String> = []
            func expectAnswers(_ round: Int) async throws {
                let item = try await daemon.send("GET", Self.collection + "/a")
                let list = try await daemon.send("GET", Self.collection)
                let answers = try await offload {
                    try (0..<20).map { _ in
                        (
                            try items.withLock { try $0.exchange("GET", Self.collection + "/a") },
                            try lists.withLock { try $0.exchange("GET", Self.collection) }
                        )
                    }
                }
                for (one, all) in answers {
                    #expect(one.body == item.body && one.status == item.status, "round \(round)")
                    #expect(one.headers["etag"] == item.headers["etag"])
                    #expect(all.body == list.body, "round \(round)")
                    ids.formUnion([one, all].compactMap { $0.headers["x-request-id"] })
                }
            }
            for round in 0..<6 {
                try await expectAnswers(2 * round)
                if round.isMultiple(of: 2) {
                    let state = round.isMultiple(of: 4) ? "down" : "up"
                    let path = "\(daemon.home.netnsDirectory)/a"
                    try await Command.check("nsenter", ["--net=\(path)", "ip", "link", "set", "lo", state])
                } else {
                    try await daemon.send(
                        "PATCH", Self.collection + "/a", body: #"{"labels":{"round":"\#(round)"}}"#)
                }
                try await expectAnswers(2 * round + 1)
            }
            #expect(ids.count == 12 * 20 * 2)
            let labels = ["route": "/v1/namespaces/{name}", "method": "GET", "status": "200"]
            #expect(try await daemon.metrics.sum("netnsd_http_requests_total", labels) == 12 * 21)
            let own = try await offload {
                try items.withLock { items in
                    try ["mine", "mine", "yours", nil, nil].map { id in
                        let fields = id.map { ["X-Request-Id: \($0)"] } ?? []
                        let answer = try items.exchange("GET", Self.collection + "/a", headers: fields)
                        return answer.headers["x-request-id"] ?? ""
                    }
                }
            }
            #expect(own.prefix(3) == ["mine", "mine", "yours"] && Set(own).count == 4)
            try await daemon.send("DELETE", Self.collection + "/a")
            let gone = try await offload { try items.withLock { try $0.exchange("GET", Self.collection + "/a") } }
            #expect(gone.status == 404)
        }
    }

    @Test("While nothing changes, no worker is troubled")
    func quiet() async throws {
        try await withDaemon(arguments: ["--warm", "0"]) { daemon in
            try await daemon.send("PUT", Self.collection + "/a")
            for path in [Self.collection, Self.collection + "/a", Self.collection + "?limit=1"] {
                let first = try await daemon.send("GET", path)
                func jobs() async throws -> Double {
                    try #require(try await daemon.metrics.sum("netnsd_kernel_job_run_seconds_count"))
                }
                var (tries, more) = (0, Double.infinity)
                // Every second it is looked at again, and whenever something is mounted anywhere on the host.
                while more >= 25, tries < 10 {
                    tries += 1
                    let before = try await jobs()
                    for _ in 0..<50 {
                        let again = try await daemon.send("GET", path)
                        #expect(again.body == first.body)
                        #expect(again.headers["x-request-id"] != first.headers["x-request-id"])
                    }
                    more = try await jobs() - before
                }
                #expect(more < 25, "\(path)")
            }
        }
    }
}
