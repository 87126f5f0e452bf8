import Foundation
import LinuxKit
import TestSupport
import Testing

/// What becomes of attachments when plugins fail, namespaces go and daemons die; the plugins are scripts.
@Suite("CNI attachments through failures", .tags(.endToEnd), .serialized, .timeLimit(.minutes(4)))
struct AttachmentLifeTests {
    private let attachments = "/v1/namespaces/a/attachments"
    private let order = #"{"network":"net"}"#

    @Test("A deletion takes attachments away first, the latest first, with the namespace still there")
    func deletion() async throws {
        try await withScripts { (networks, daemon) async throws in
            let events = try await daemon.collectEvents()
            for interface in ["eth0", "eth1", "eth2"] {
                let body = #"{"network":"net","interface":"\#(interface)"}"#
                #expect(try await daemon.send("POST", attachments, body: body).status == 201)
            }
            #expect(try await daemon.send("DELETE", "/v1/namespaces/a").status == 204)
            let deletions = ["eth2", "eth1", "eth0"].flatMap { ["DEL two \($0)", "DEL one \($0)"] }
            #expect(networks.log.suffix(6) == deletions[...])
            #expect(!networks.log.contains("no namespace"))
            #expect(networks.ids.isEmpty)
            let told = ["attached", "attached", "attached", "detached", "detached", "detached", "deleted"]
            try await eventually(within: 20, "the events") { events.events.map(\.type) == told }
            #expect(
                try events.events[3].json["attachment"] == [
                    "id": "net-a-eth2", "network": "net", "interface": "eth2",
                ])
            // Another namespace of the name has none of it.
            #expect(try await daemon.send("PUT", "/v1/namespaces/a").status == 201)
            #expect(try await daemon.send("GET", attachments).json["attachments"] == [])
        }
    }

    @Test("A plugin that refuses DEL keeps the namespace; one that is gone does not")
    func refusal() async throws {
        try await withScripts { (networks, daemon) async throws in
            #expect(try await daemon.send("POST", attachments, body: order).status == 201)
            try networks.plugin("two", #"[ $CNI_COMMAND = DEL ] && { echo '{"code":11,"msg":"later"}'; exit 1; }"#)
            for path in ["/v1/namespaces/a", "\(attachments)/net-a-eth0"] {
                let answer = try await daemon.send("DELETE", path)
                #expect(answer.status == 502 && answer.problem == "cni-plugin-failed", "\(answer.text)")
                #expect(
                    try answer.json["plugin"] == [
                        "network": "net", "type": "two", "command": "DEL", "code": 11, "details": nil,
                    ])
            }
            let bulk = try await daemon.send("DELETE", "/v1/namespaces?label=keep").json
            #expect(bulk["failed"]?[0]?["problem"]?["plugin"]?["type"] == "two")
            #expect(try await daemon.send("GET", attachments).json["attachments"]?.array?.count == 1)
            try FileManager.default.removeItem(atPath: "\(networks.plugins)/two")
            #expect(try await daemon.send("DELETE", "/v1/namespaces/a").status == 204)
            #expect(networks.log.last == "DEL one eth0" && networks.ids.isEmpty)
        }
    }

    @Test("A failed, and a hanging, ADD leave nothing but their problem")
    func failures() async throws {
        try await withScripts(arguments: ["--cni-timeout-seconds", "1"]) { (networks, daemon) async throws in
            try networks.plugin("two", "[ $CNI_COMMAND = ADD ] && sleep 1000")
            let late = try await daemon.send("POST", attachments, body: order)
            #expect(late.status == 504 && late.problem == "cni-plugin-timeout", "\(late.text)")
            try networks.plugin("two", "[ $CNI_COMMAND = ADD ] && { echo rubbish; exit; }")
            let rubbish = try await daemon.send("POST", attachments, body: order)
            #expect(rubbish.status == 502 && rubbish.problem == "cni-plugin-failed", "\(rubbish.text)")
            #expect(
                networks.log
                    == Array(repeating: ["ADD one eth0", "ADD two eth0", "DEL two eth0", "DEL one eth0"], count: 2)
                    .flatMap(\.self))
            #expect(networks.ids.isEmpty)
            #expect(try await daemon.send("GET", attachments).json["attachments"] == [])
        }
    }

    @Test("While a plugin runs a deletion waits, and the daemon serves others")
    func waiting() async throws {
        try await withScripts { (networks, daemon) async throws in
            try networks.plugin(
                "two", "[ $CNI_COMMAND = ADD ] && while [ ! -e \(networks.root)/go ]; do sleep 0.05; done")
            async let attaching = daemon.send("POST", attachments, body: order)
            try await eventually(within: 20, "the plugin runs") { networks.log.contains("ADD two eth0") }
            async let deleting = daemon.send("DELETE", "/v1/namespaces/a")
            for name in ["b", "c"] { #expect(try await daemon.send("PUT", "/v1/namespaces/\(name)").status == 201) }
            #expect(try await daemon.send("GET", "/readyz").status == 200)
            #expect(daemon.home.names.contains("a"))
            try Data().write(to: URL(filePath: "\(networks.root)/go"))
            #expect(try await attaching.status == 201)
            #expect(try await deleting.status == 204)
            #expect(networks.log.suffix(2) == ["DEL two eth0", "DEL one eth0"])
        }
    }

    @Test("A lease that ends takes attachments with it")
    func lease() async throws {
        try await withScripts { (networks, daemon) async throws in
            #expect(try await daemon.send("POST", attachments, body: order).status == 201)
            #expect(
                try await daemon.send("PATCH", "/v1/namespaces/a", body: #"{"lease":{"seconds":1}}"#).status == 200)
            try await eventually(within: 20, "the namespace goes") { !daemon.home.names.contains("a") }
            #expect(networks.log.suffix(2) == ["DEL two eth0", "DEL one eth0"] && networks.ids.isEmpty)
        }
    }

    @Test("When another tool takes the namespace away, its attachments are taken away after it")
    func vanished() async throws {
        try await withScripts { (networks, daemon) async throws in
            #expect(try await daemon.send("POST", attachments, body: order).status == 201)
            try await Command.check("umount", ["\(daemon.home.netnsDirectory)/a"])
            try await eventually(within: 20, "the attachment goes") { networks.ids.isEmpty }
            #expect(networks.log.suffix(2) == ["DEL two eth0", "DEL one eth0"])
        }
    }

    @Test("Killed between ADD and its answer, the attachment is there after the restart and can be deleted")
    func killedUnanswered() async throws {
        try await withHome { home in
            let networks = try await prepare(home)
            let crashing = try await Daemon(
                home: home, arguments: networks.arguments,
                environment: ["NETNSD_CRASH_AT": CrashPoint.attachmentUnanswered.rawValue])
            #expect((try? await crashing.send("POST", attachments, body: order)) == nil)
            #expect(try await crashing.end(seconds: 20) == 128 + SIGKILL)
            try await withDaemon(in: home, arguments: networks.arguments) { (daemon) async throws in
                let list = try await daemon.send("GET", attachments).json["attachments"]
                #expect(list?[0]?["id"] == "net-a-eth0" && list?[0]?["cniVersion"] == "1.0.0")
                #expect(try await daemon.send("POST", attachments, body: order).problem == "attachment-exists")
                #expect(try await daemon.send("DELETE", "\(attachments)/net-a-eth0").status == 204)
                #expect(networks.log.suffix(2) == ["DEL two eth0", "DEL one eth0"] && networks.ids.isEmpty)
                #expect(try await daemon.send("POST", attachments, body: order).status == 201)
            }
        }
    }

    @Test("Killed in the middle of ADD, or with the namespace gone since, the next start takes away what is left")
    func killedAdding() async throws {
        try await withHome { home in
            let networks = try await prepare(home)
            // The daemon is the parent of its plugins.
            try networks.plugin(
                "two",
                "[ $CNI_COMMAND = ADD ] && [ ! -e \(networks.root)/killed ] && { touch \(networks.root)/killed; kill -9 $PPID; }"
            )
            let first = try await Daemon(home: home, arguments: networks.arguments)
            #expect((try? await first.send("POST", attachments, body: order)) == nil)
            #expect(try await first.end(seconds: 20) == 128 + SIGKILL)
            #expect(networks.ids == ["net-a-eth0"])
            try await withDaemon(in: home, arguments: networks.arguments) { (daemon) async throws in
                try await eventually(within: 20, "the rest goes") { networks.ids.isEmpty }
                #expect(networks.log.suffix(2) == ["DEL two eth0", "DEL one eth0"])
                #expect(try await daemon.send("POST", attachments, body: order).status == 201)
            }
            try await Command.check("umount", ["\(home.netnsDirectory)/a"])
            let before = networks.log.count
            try await withDaemon(in: home, arguments: networks.arguments) { (daemon) async throws in
                try await eventually(within: 20, "the rest goes") { networks.ids.isEmpty }
                #expect(
                    networks.log.dropFirst(before) == ["DEL two eth0", "no namespace", "DEL one eth0", "no namespace"]
                        || networks.log.dropFirst(before) == ["DEL two eth0", "DEL one eth0"])
            }
        }
    }

    @Test(
        "What cannot be an attachment is refused by the name of the field",
        arguments: [
            (#"{}"#, "network"), (#"{"network":"../x"}"#, "network"), (#"{"network":1}"#, "network"),
            (#"{"network":"none"}"#, "network"), (#"{"network":"net","interface":"lo"}"#, "interface"),
            (#"{"network":"net","interface":"a/b"}"#, "interface"),
            (#"{"network":"net","containerID":"-"}"#, "containerID"),
            (#"{"network":"net","args":{"a":"b;c"}}"#, "args.a"),
            (#"{"network":"net","args":{"a=b":"c"}}"#, "args.a%3Db"),
            (#"{"network":"net","args":{"a":1}}"#, "args.a"), (#"{"network":"net","args":[]}"#, "args"),
            (#"{"network":"net","capabilities":{"new":1}}"#, "capabilities.new"),
            (#"{"network":"net","capabilities":{"mac":1}}"#, "capabilities.mac"),
            (#"{"network":"net","capabilities":{"ips":["a",1]}}"#, "capabilities.ips.1"),
            (
                #"{"network":"net","capabilities":{"portMappings":[{"hostPort":1}]}}"#,
                "capabilities.portMappings.0.containerPort"
            ),
            (#"{"network":"net","capabilities":{"bandwidth":{"rate":1}}}"#, "capabilities.bandwidth.rate"),
            (#"{"network":"net","path":"/tmp"}"#, "path"),
        ])
    func badInput(_ body: String, _ field: String) async throws {
        try await withScripts { (networks, daemon) async throws in
            let answer = try await daemon.send("POST", attachments, body: body)
            #expect(answer.status == 422, "\(answer.text)")
            #expect(try answer.json["field"]?.string == field)
            #expect(networks.log.isEmpty && networks.ids.isEmpty)
        }
    }

    @Test("An id that no file can have is refused, and one that none has is not found, or gone already")
    func longIDs() async throws {
        try await withScripts { (_, daemon) async throws in
            let path = { attachments + "/" + String(repeating: "x", count: $0) }
            for (method, path) in [("GET", path(256)), ("DELETE", path(256)), ("POST", path(256) + "/check")] {
                #expect(try await daemon.send(method, path).problem == "invalid-name")
            }
            #expect(try await daemon.send("GET", path(255)).problem == "attachment-not-found")
            #expect(try await daemon.send("DELETE", path(255)).status == 204)
        }
    }

    @Test("One container's id is one container's, in every namespace at once")
    func sameContainer() async throws {
        try await withScripts { (networks, daemon) async throws in
            for name in ["b", "c", "d"] { try await daemon.send("PUT", "/v1/namespaces/\(name)") }
            let statuses = await withTaskGroup(of: Int?.self) { group in
                for name in ["a", "b", "c", "d"] {
                    group.addTask {
                        try? await daemon.send(
                            "POST", "/v1/namespaces/\(name)/attachments",
                            body: #"{"network":"net","containerID":"one"}"#
                        ).status
                    }
                }
                return await group.reduce(into: [Int?]()) { $0.append($1) }
            }
            #expect(statuses.count { $0 == 201 } == 1 && statuses.count { $0 == 409 } == 3, "\(statuses)")
            #expect(networks.log == ["ADD one eth0", "ADD two eth0"])
        }
    }

    // MARK: -

    private func prepare(_ home: DaemonHome) async throws -> NetworksHome {
        let networks = try NetworksHome(home)
        for name in ["one", "two"] { try networks.plugin(name) }
        try networks.configure("net", #"{"type":"one"},{"type":"two"}"#)
        try await withDaemon(in: home, arguments: networks.arguments) { (daemon) async throws in
            #expect(try await daemon.send("PUT", "/v1/namespaces/a", body: #"{"labels":{"keep":"x"}}"#).status == 201)
        }
        return networks
    }

    /// A daemon with the network `net` of two scripts, and the namespace `a`.
    private func withScripts(
        arguments: [String] = [], _ body: (NetworksHome, Daemon) async throws -> Void
    ) async throws {
        try await withHome { home in
            let networks = try await prepare(home)
            try await withDaemon(in: home, arguments: networks.arguments + arguments) { (daemon) async throws in
                try await body(networks, daemon)
            }
        }
    }
}

extension NetworksHome {
    fileprivate var arguments: [String] { ["--cni-path", plugins] }
}
