import Foundation
import LinuxKit
import TestSupport
import Testing

@Suite("Crash points", .tags(.endToEnd), .serialized, .timeLimit(.minutes(5)))
struct CrashPointTests {
    @Test("Every point is killed at")
    func complete() {
        // Attachments need plugins, and links of the host a host: they have tests of their own.
        let others: Set<CrashPoint> = [.attachmentUnanswered, .hostLinkUnmoved, .hostLinkMoved]
        #expect(Set(CrashCase.all.map(\.point)) == Set(CrashPoint.allCases).subtracting(others))
    }

    @Test(
        "Killed there, a request is wholly done or undone by the next start, and can be made again",
        arguments: CrashCase.all)
    func killed(_ crash: CrashCase) async throws {
        try await withHome { home in
            try await withDaemon(in: home) { daemon in
                for (path, body) in crash.before {
                    #expect(try await daemon.send("PUT", path, body: body).status == 201)
                }
                if crash.hasExternal { try await home.addExternal("ext") }
            }
            try await killAtPoint(crash, home)
            try await withDaemon(in: home) { daemon in
                let left = try await labels(daemon)
                #expect(crash.left.contains { $0 == left }, "\(left)")
                #expect(home.names == left.keys.sorted())
                try expectRecords(home, daemon, left)
                try await expectWires(home, daemon, [])
                let cookies = try await cookies(daemon)

                let retry = try await send(crash, to: daemon)
                #expect(retry.status == crash.retryStatus, "\(retry.text)")
                let after = try await labels(daemon)
                #expect(after == crash.after)
                for (name, cookie) in try await self.cookies(daemon) where cookies[name] != nil {
                    #expect(cookie == cookies[name], "\(name) is another namespace")
                }
                if crash.key != nil {
                    let again = try await send(crash, to: daemon)
                    #expect(again.headers["idempotent-replayed"] == "true")
                    #expect(again.body == retry.body)
                    #expect(try await labels(daemon) == after)
                }
                try expectRecords(home, daemon, after)
                try await expectWires(home, daemon, crash.wiresAfter)
            }
        }
    }

    /// A record for each wire, whole, and no link of any other.
    private func expectWires(_ home: DaemonHome, _ daemon: Daemon, _ ids: [String]) async throws {
        let wires = try await daemon.send("GET", "/v1/wires").json["wires"]?.array ?? []
        #expect(wires.compactMap { $0["id"]?.string } == ids)
        #expect(wires.allSatisfy { $0["state"] == "up" })
        #expect(home.wireRecords == ids.map { $0 + ".json" })
        for name in home.names where home.names.count < 10 {
            let links = wires.flatMap { wire in ["a", "b"].compactMap { wire[$0] } }
                .filter { $0["namespace"]?.string == name }.compactMap { $0["link"]?.string }
            #expect(try await home.ipLinks(name).sorted() == (links + ["lo"]).sorted())
        }
    }

    private func send(_ crash: CrashCase, to daemon: Daemon) async throws -> HTTPResponse {
        let headers = crash.key.map { ["Idempotency-Key: \($0)"] } ?? []
        let body = crash.body?.replacingOccurrences(of: "$NETNS", with: daemon.home.netnsDirectory)
        return try await daemon.send(crash.method, crash.path, body: body, headers: headers)
    }

    private func killAtPoint(_ crash: CrashCase, _ home: DaemonHome) async throws {
        let daemon = try await Daemon(home: home, environment: ["NETNSD_CRASH_AT": crash.point.rawValue])
        do {
            let answer = try? await send(crash, to: daemon)
            #expect(answer == nil, "\(answer?.text ?? "")")
            #expect(try await daemon.end(seconds: 10) == 128 + SIGKILL)
        } catch {
            try? await daemon.kill()
            throw error
        }
        #expect(FileManager.default.fileExists(atPath: home.socket))
    }

    /// Every namespace with the value of its label `v`; `external` and `stale` for what has none.
    private func labels(_ daemon: Daemon) async throws -> [String: String] {
        let list = try await daemon.send("GET", "/v1/namespaces?limit=1000").json
        let items = try #require(list["namespaces"]?.array)
        return Dictionary(
            uniqueKeysWithValues: items.map { item in
                let state = item["state"] == "stale" ? "stale" : item["origin"]?.string ?? ""
                return (item["name"]?.string ?? "", item["labels"]?["v"]?.string ?? state)
            })
    }

    private func cookies(_ daemon: Daemon) async throws -> [String: JSONValue] {
        let items = try await daemon.send("GET", "/v1/namespaces?limit=1000").json["namespaces"]?.array ?? []
        return Dictionary(
            uniqueKeysWithValues: items.map { ($0["name"]?.string ?? "", $0["cookie"] ?? .null) })
    }

    /// A record for each of ours, no batch under way, and a mount for every name.
    private func expectRecords(_ home: DaemonHome, _ daemon: Daemon, _ labels: [String: String]) throws {
        #expect(home.records == labels.filter { $0.value != "external" }.keys.sorted())
        for directory in ["batches", "deletions"] {
            let path = home.stateDirectory + "/" + directory
            #expect(((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).isEmpty)
        }
        let mounts = try Resources.mountPoints(below: home.netnsDirectory)
        #expect(mounts.sorted() == labels.keys.sorted().map { home.netnsDirectory + "/" + $0 })
    }
}
