import Foundation
import LinuxKit
import TestSupport
import Testing

/// Attaching under an `Idempotency-Key`; the plugins are scripts.
@Suite("Attaching again", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct AttachmentRetryTests {
    private static let attachments = "/v1/namespaces/a/attachments"
    private static let order = #"{"network":"net"}"#
    private static let runs = ["ADD one eth0", "ADD two eth0"]

    private func attach(
        _ daemon: Daemon, key: String? = "k", _ body: String = order
    ) async throws -> HTTPResponse {
        try await daemon.send(
            "POST", Self.attachments, body: body, headers: key.map { ["Idempotency-Key: \($0)"] } ?? [])
    }

    /// Where the network `net` of two scripts is.
    private func prepare(_ home: DaemonHome) throws -> (networks: NetworksHome, arguments: [String]) {
        let networks = try NetworksHome(home)
        for name in ["one", "two"] { try networks.plugin(name) }
        try networks.configure("net", #"{"type":"one"},{"type":"two"}"#)
        return (networks, ["--cni-path", networks.plugins])
    }

    @Test("The same request is done once, and answered alike, also by the next daemon")
    func once() async throws {
        try await withHome { home in
            let (networks, arguments) = try prepare(home)
            var first: HTTPResponse?
            try await withDaemon(in: home, arguments: arguments) { daemon in
                try await daemon.makeNamespaces(["a"])
                let made = try await attach(daemon)
                #expect(made.status == 201 && made.headers["idempotent-replayed"] == nil, "\(made.text)")
                first = made
                let reused = try await attach(daemon, #"{"network":"net","interface":"eth1"}"#)
                #expect(reused.status == 422 && reused.problem == "idempotency-key-reused", "\(reused.text)")
                for key in [nil, "other"] {
                    #expect(try await attach(daemon, key: key).problem == "attachment-exists")
                }
                for key in ["a b", String(repeating: "k", count: 256)] {
                    #expect(try await attach(daemon, key: key).problem == "invalid-parameter", "\(key)")
                }
            }
            try await withDaemon(in: home, arguments: arguments) { daemon in
                for _ in 0..<2 {
                    let again = try await attach(daemon)
                    #expect(again.status == 201 && again.headers["idempotent-replayed"] == "true")
                    #expect(again.body == first?.body && again.headers["location"] == first?.headers["location"])
                }
                #expect(networks.log == Self.runs)
            }
        }
    }

    @Test("While the first request runs the second is told so, and what failed or was not there can be tried again")
    func tryAgain() async throws {
        try await withHome { home in
            let (networks, arguments) = try prepare(home)
            try await withDaemon(in: home, arguments: arguments) { daemon in
                for _ in 0..<2 { #expect(try await attach(daemon).problem == "namespace-not-found") }
                try await daemon.makeNamespaces(["a", "b"])
                let later = #"{"network":"later"}"#
                #expect(try await attach(daemon, key: "l", later).problem == "cni-network-not-found")
                try networks.configure("later", #"{"type":"one"}"#)
                let arrived = try await attach(daemon, key: "l", later)
                #expect(arrived.status == 201, "\(arrived.text)")
                let location = try #require(arrived.headers["location"])
                #expect(try await daemon.send("DELETE", location).status == 204)
                try networks.plugin("two", #"[ $CNI_COMMAND = ADD ] && { echo '{"code":11,"msg":"later"}'; exit 1; }"#)
                for _ in 0..<2 { #expect(try await attach(daemon).problem == "cni-plugin-failed") }
                try networks.plugin(
                    "two", "[ $CNI_COMMAND = ADD ] && while [ ! -e \(networks.root)/go ]; do sleep 0.05; done")
                let before = networks.log.count
                async let attaching = attach(daemon)
                try await eventually(within: 20, "the plugin runs") { networks.log.count == before + 2 }
                let second = try await attach(daemon)
                #expect(second.status == 409 && second.problem == "idempotency-in-progress", "\(second.text)")
                let elsewhere = {
                    try await daemon.send(
                        "POST", "/v1/namespaces/b/attachments", body: #"{"network":"net","containerID":"a"}"#,
                        headers: ["Idempotency-Key: m"])
                }
                #expect(try await elsewhere().problem == "namespace-busy")
                try Data().write(to: URL(filePath: "\(networks.root)/go"))
                let made = try await attaching
                #expect(made.status == 201)
                #expect(try await attach(daemon).body == made.body)
                #expect(networks.log.suffix(2) == Self.runs[...] && networks.log.count == before + 2)
                #expect(
                    try await daemon.send("DELETE", try #require(made.headers["location"])).status == 204)
                let there = try await elsewhere()
                #expect(there.status == 201, "\(there.text)")
            }
        }
    }

    @Test("What was made by a request whose answer was lost is the answer to its repetition, and to no other request")
    func unanswered() async throws {
        try await withHome { home in
            let (networks, arguments) = try prepare(home)
            try await crash(home, arguments, at: .attachmentUnanswered)
            try await withDaemon(in: home, arguments: arguments) { daemon in
                for key in [nil, "other"] {
                    #expect(try await attach(daemon, key: key).problem == "attachment-exists")
                }
                let again = try await attach(daemon)
                #expect(again.status == 201, "\(again.text)")
                #expect(try again.json["id"] == "net-a-eth0" && again.json["result"] != .null)
                #expect(try await attach(daemon).headers["idempotent-replayed"] == "true")
                #expect(networks.log == Self.runs)
                try await daemon.expect(204, "DELETE", "\(Self.attachments)/net-a-eth0")
                #expect(networks.ids.isEmpty)
            }
        }
    }

    @Test("What was not made to its end by a request whose answer was lost is made by its repetition")
    func interrupted() async throws {
        try await withHome { home in
            let (networks, arguments) = try prepare(home)
            let killed = "\(networks.root)/killed"
            // The daemon is the parent of its plugins.
            try networks.plugin(
                "two", "[ $CNI_COMMAND = ADD ] && [ ! -e \(killed) ] && { touch \(killed); kill -9 $PPID; }")
            try await crash(home, arguments, at: nil)
            #expect(networks.ids == ["net-a-eth0"])
            try await withDaemon(in: home, arguments: arguments) { daemon in
                let again = try await attach(daemon)
                #expect(again.status == 201, "\(again.text)")
                #expect(networks.log == Self.runs + ["DEL two eth0", "DEL one eth0"] + Self.runs)
                #expect(try await daemon.expect(200, "GET", Self.attachments)["attachments"]?.array?.count == 1)
            }
        }
    }

    /// Has a daemon die in the request of the key `k`.
    private func crash(_ home: DaemonHome, _ arguments: [String], at point: CrashPoint?) async throws {
        try await withDaemon(in: home, arguments: arguments) { daemon in try await daemon.makeNamespaces(["a"]) }
        let environment = point.map { ["NETNSD_CRASH_AT": $0.rawValue] } ?? [:]
        let daemon = try await Daemon(home: home, arguments: arguments, environment: environment)
        do {
            #expect((try? await attach(daemon)) == nil)
            #expect(try await daemon.end(seconds: 20) == 128 + SIGKILL)
        } catch {
            try? await daemon.kill()
            throw error
        }
    }
}
