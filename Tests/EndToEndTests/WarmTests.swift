import Foundation
import TestSupport
import Testing

@Suite("Namespaces in advance", .tags(.endToEnd), .serialized, .timeLimit(.minutes(2)))
struct WarmTests {
    @Test("The daemon holds as many as it is told to, and fills up again", arguments: [0, 1, 5])
    func held(count: Int) async throws {
        try await withDaemon(arguments: ["--warm", String(count)]) { daemon in
            try await daemon.waitForWarmNamespaces(count)
            for index in 0..<8 {
                let body = "{\"name\":\"n\(index)\",\"loopback\":\"\(index % 3 == 0 ? "down" : "up")\"}"
                let response = try await daemon.send("POST", "/v1/namespaces", body: body)
                #expect(response.status == 201)
                #expect(try response.json["loopback"]?.string == (index % 3 == 0 ? "down" : "up"))
            }
            try await daemon.waitForWarmNamespaces(count)
            let namespaces = try await daemon.send("GET", "/v1/namespaces").json["namespaces"]?.array ?? []
            #expect(Set(namespaces.map { $0["inode"]?.int }).count == 8)
        }
    }

    @Test("A batch leaves them for others, and they count for nobody")
    func uncounted() async throws {
        try await withDaemon(arguments: ["--warm", "3"]) { daemon in
            try await daemon.waitForWarmNamespaces(3)
            let held = try daemon.heldNamespaces()
            let batch = #"{"items":[{"name":"a"},{"name":"b"}]}"#
            #expect(try await daemon.send("POST", "/v1/namespaces:batch", body: batch).status < 300)
            #expect(try daemon.heldNamespaces() == held)
            #expect(try await daemon.send("GET", "/v1/namespaces").json["total"] == 2)
        }
    }

    @Test("One that exists gets its name as ever, and nothing made in advance is touched")
    func adoption() async throws {
        try await withDaemon(arguments: ["--warm", "2"]) { daemon in
            try await daemon.waitForWarmNamespaces(2)
            try await daemon.home.addExternal("ext")
            let held = try daemon.heldNamespaces()
            let source = #"{"from":{"path":"\#(daemon.home.netnsDirectory)/ext"}}"#
            let adopted = try await daemon.send("POST", "/v1/namespaces", body: source)
            #expect(adopted.status == 201)
            #expect(try adopted.json["origin"] == "adopted")
            #expect(try daemon.heldNamespaces() == held)
            let metrics = try await daemon.metrics
            #expect(metrics.sum("netnsd_warm_hits_total") == 0)
            #expect(metrics.sum("netnsd_warm_misses_total") == 0)
        }
    }

    @Test("One that an administrator names by the daemon's own descriptor is handed out to nobody else")
    func ownDescriptor() async throws {
        try await withDaemon(arguments: ["--warm", "1"]) { daemon in
            try await daemon.waitForWarmNamespaces(1)
            let directory = "/proc/\(daemon.pid)/fd"
            let manager = FileManager.default
            let held = try daemon.heldNamespaces()
            let descriptor = try #require(
                try manager.contentsOfDirectory(atPath: directory).first { number in
                    let link = try? manager.destinationOfSymbolicLink(atPath: "\(directory)/\(number)")
                    return link.map(held.contains) ?? false
                })
            let source = #"{"name":"a","from":{"path":"\#(directory)/\#(descriptor)"}}"#
            #expect(try await daemon.send("POST", "/v1/namespaces", body: source).status == 201)
            #expect(try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"b"}"#).status == 201)
            let namespaces = try await daemon.send("GET", "/v1/namespaces").json["namespaces"]?.array ?? []
            #expect(Set(namespaces.map { $0["inode"]?.int }).count == 2)
        }
    }

    @Test("Metrics and host tell how many there are, who got one, and why others were dropped")
    func told() async throws {
        try await withDaemon(arguments: ["--warm", "2"]) { daemon in
            try await daemon.waitForWarmNamespaces(2)
            let host = try await daemon.send("GET", "/v1/host").json
            #expect(host["warm"] == ["size": 2, "capacity": 2])
            let begin = try await daemon.metrics
            #expect(begin.sum("netnsd_warm_namespaces") == 2)
            #expect(begin.sum("netnsd_warm_capacity") == 2)
            #expect(begin.sum("netnsd_warm_refill_seconds_count") == 2)
            #expect((begin.sum("netnsd_warm_refill_seconds_sum") ?? 0) > 0)

            // One of each kind at first, of which the one that is down is raised.
            for _ in 0..<2 { try await daemon.send("POST", "/v1/namespaces", body: #"{"loopback":"up"}"#) }
            let asked = try await daemon.metrics
            #expect(asked.sum("netnsd_warm_hits_total") == 2)
            #expect(asked.sum("netnsd_warm_misses_total") == 0)
            #expect(asked.sum("netnsd_warm_dropped_total", ["reason": "settings"]) == 0)
            #expect(asked.sum("netnsd_warm_refill_failures_total") == 0)

            try await daemon.waitForWarmNamespaces(2)
            let setting = "/proc/sys/net/ipv4/conf/default/igmpv3_unsolicited_report_interval"
            let value = try String(contentsOfFile: setting, encoding: .utf8).filter(\.isNumber)
            let other = "\((Int(value) ?? 0) + 1)"
            try await Command.check("sh", ["-c", "echo \(other) > \(setting)"])
            do {
                let created = try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"later"}"#)
                #expect(created.status == 201)
                let path = try #require(try created.json["path"]?.string)
                #expect(try await Command.check("nsenter", ["--net=\(path)", "cat", setting]).text == other + "\n")
                let after = try await daemon.metrics
                #expect(after.sum("netnsd_warm_dropped_total", ["reason": "settings"]) == 2)
                #expect(after.sum("netnsd_warm_hits_total") == 2)
                #expect(after.sum("netnsd_warm_misses_total") == 1)
                try await daemon.waitForWarmNamespaces(2)
            } catch {
                try await Command.check("sh", ["-c", "echo \(value) > \(setting)"])
                throw error
            }
            try await Command.check("sh", ["-c", "echo \(value) > \(setting)"])
        }
    }

    @Test("A daemon that makes none says so")
    func off() async throws {
        try await withDaemon(arguments: ["--warm", "0"]) { daemon in
            #expect(try await daemon.send("POST", "/v1/namespaces").status == 201)
            #expect(try await daemon.send("GET", "/v1/host").json["warm"] == ["size": 0, "capacity": 0])
            let metrics = try await daemon.metrics
            for name in ["namespaces", "capacity", "hits_total", "misses_total", "refill_seconds_count"] {
                #expect(metrics.sum("netnsd_warm_" + name) == 0, "\(name)")
            }
        }
    }

    @Test("Whatever is asked of it, and refused, it holds as many descriptors afterwards")
    func descriptors() async throws {
        try await withDaemon(arguments: ["--warm", "3"]) { daemon in
            try await daemon.waitForWarmNamespaces(3)
            try await daemon.send("PUT", "/v1/namespaces/taken")
            let before = try await daemon.filledResources()
            for round in 0..<60 {
                let loopback = round / 10 % 2 == 0 ? "up" : "down"
                let body = #"{"name":"n\#(round)","loopback":"\#(loopback)"}"#
                #expect(try await daemon.send("POST", "/v1/namespaces", body: body).status == 201)
                #expect(try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"taken"}"#).status == 409)
                #expect(try await daemon.send("DELETE", "/v1/namespaces/n\(round)").status == 204)
            }
            try await daemon.waitForWarmNamespaces(3)
            let after = try await daemon.resources(settlingTo: before)
            #expect(!after.exceeds(before), "\(before), then \(after)")
        }
    }

    @Test("A daemon with a full pool has next to nothing to do")
    func idle() async throws {
        try await withDaemon { daemon in
            _ = try await daemon.filledResources()
            let before = try daemon.processorTime
            try await Task.sleep(for: .seconds(5))
            let used = try daemon.processorTime - before
            // A debug build takes ten times as long to read the settings again as a release build, and a sanitizer longer.
            #expect(used < .milliseconds(Sanitizer.isOn ? 400 : 100), "\(used) in 5 s")
        }
    }

    @Test("A daemon that stops, or is killed, leaves none behind, and ends at once", arguments: [true, false])
    func stop(inOrder: Bool) async throws {
        try await withHome { home in
            let daemon = try await Daemon(home: home, arguments: ["--warm", "4"])
            try await daemon.waitForWarmNamespaces(4)
            try await daemon.send("PUT", "/v1/namespaces/kept")
            try await daemon.waitForWarmNamespaces(4)
            let held = try daemon.heldNamespaces()
            #expect(try Self.holders(of: held) == [daemon.pid])
            let begin = ContinuousClock.now
            if inOrder { #expect(try await daemon.stop() == 0) } else { try await daemon.kill() }
            #expect(ContinuousClock.now - begin < .seconds(2))
            #expect(try Self.holders(of: held).isEmpty)
            #expect(home.names == ["kept"])
            #expect(home.records == ["kept"])
            #expect(try Resources.mountPoints(below: home.root).count == 2)
        }
    }

    /// The processes that have a descriptor of one of the namespaces, or are in it.
    private static func holders(of namespaces: Set<String>) throws -> Set<Int32> {
        let manager = FileManager.default
        let processes = try manager.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }
        return Set(
            processes.filter { process in
                let descriptors = (try? manager.contentsOfDirectory(atPath: "/proc/\(process)/fd")) ?? []
                let links = descriptors.map { "/proc/\(process)/fd/\($0)" } + ["/proc/\(process)/ns/net"]
                return links.contains { link in
                    (try? manager.destinationOfSymbolicLink(atPath: link)).map(namespaces.contains) ?? false
                }
            })
    }

    @Test("A number that makes no sense is refused", arguments: ["-1", "x", "1025"])
    func refused(number: String) async throws {
        try await withHome { home in
            let arguments = ["serve"] + home.arguments + ["--warm=\(number)"]
            let command = try await Command.run(Daemon.executable(), arguments)
            #expect(command.status != 0)
            #expect(command.errors.contains("warm"))
        }
    }
}
