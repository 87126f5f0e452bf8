import Foundation
import TestSupport
import Testing

@Suite("Interoperability", .tags(.endToEnd), .serialized, .timeLimit(.minutes(2)))
struct InteroperabilityTests {
    private static let directory = "/run/netns"
    private let name = "netnsd-test-\(UUID().uuidString.prefix(8).lowercased())"

    @Test("ip netns lists a namespace of ours and runs programs in it; it has lo alone, up")
    func ipUsesOurs() async throws {
        try await withRealDaemon { daemon in
            #expect(try await daemon.send("PUT", "/v1/namespaces/\(name)").status == 201)
            try await Command.check("ip", ["netns", "exec", name, "true"])
            #expect(try await Command.check("ip", ["netns", "list"]).text.contains(name))
            let links = try await Command.check("ip", ["-j", "-n", name, "link"])
            let parsed = try JSONValue(parsing: links.output)
            #expect(parsed.array?.count == 1)
            #expect(parsed[0]?["ifname"] == "lo")
            #expect(parsed[0]?["flags"]?.array?.contains("UP") == true)
            try await Command.check("ip", ["netns", "delete", name])
            #expect(try await daemon.send("GET", "/v1/namespaces/\(name)").status == 404)
        }
    }

    @Test("What ip netns adds and deletes beside the daemon shows at once")
    func weSeeTheirs() async throws {
        try await withRealDaemon { daemon in
            try await Command.check("ip", ["netns", "add", name])
            let shown = try await daemon.send("GET", "/v1/namespaces/\(name)").json
            #expect(shown["origin"] == "external")
            #expect(shown["state"] == "ready")
            #expect(shown["createdAt"] == .null)
            #expect(shown["loopback"] == "down")
            #expect(try await listed(by: daemon))
            try await Command.check("ip", ["netns", "delete", name])
            #expect(try await listed(by: daemon) == false)
            try await Command.check("ip", ["netns", "add", name])
            #expect(try await daemon.send("DELETE", "/v1/namespaces/\(name)").status == 204)
            #expect(try await Command.check("ip", ["netns", "list"]).text.contains(name) == false)
        }
    }

    @Test("What ip netns adds, attaches and deletes, and a bare umount, is told and listed within 200 ms")
    func toldOfTheirs() async throws {
        try await withRealDaemon { daemon in
            let events = try await daemon.collectEvents()
            let file = "\(Self.directory)/\(name)"
            let steps: [(command: [String], told: [String], state: String?)] = [
                (["ip", "netns", "add", name], ["appeared"], "ready"),
                (["umount", file], ["vanished", "appeared"], "stale"),
                (["ip", "netns", "delete", name], ["vanished"], nil),
                (["ip", "netns", "attach", name, "\(getpid())"], ["appeared"], "ready"),
                (["ip", "netns", "delete", name], ["vanished"], nil),
            ]
            for step in steps {
                let before = events.events.count
                _ = try await Command.run(step.command[0], Array(step.command.dropFirst()))
                try await eventually(within: 0.2, "\(step.command): \(events.events.map(\.type))") {
                    let told = events.events.dropFirst(before).filter { $0.name == name }.map(\.type)
                    return told.suffix(step.told.count) == step.told[...]
                }
                let list = try await daemon.send("GET", "/v1/namespaces?prefix=\(name)").json
                #expect(list["namespaces"]?[0]?["state"]?.string == step.state, "\(step.command)")
            }
        }
    }

    @Test("ip netns exec gives programs the resolv.conf and hosts that we write, and those of others alone again")
    func dns() async throws {
        let etc = "/etc/netns"
        let wasThere = FileManager.default.fileExists(atPath: etc)
        defer {
            try? FileManager.default.removeItem(atPath: "\(etc)/\(name)")
            // Fails, as it should, where there is anything in it.
            if !wasThere { rmdir(etc) }
        }
        try await withRealDaemon(arguments: ["--netns-etc-dir", etc]) { daemon in
            try await daemon.send("PUT", "/v1/namespaces/\(name)")
            let body = #"{"nameservers":["10.9.8.7"],"hosts":[{"address":"10.0.0.2","names":["router.test"]}]}"#
            #expect(try await daemon.send("PUT", "/v1/namespaces/\(name)/dns", body: body).status == 201)
            let resolver = try await Command.check("ip", ["netns", "exec", name, "cat", "/etc/resolv.conf"]).text
            #expect(resolver.hasSuffix("\nnameserver 10.9.8.7\n"))
            let lookup = try await Command.check("ip", ["netns", "exec", name, "getent", "hosts", "router.test"])
            #expect(lookup.text.hasPrefix("10.0.0.2"))
            #expect(lookup.errors.isEmpty)
            try await daemon.send("DELETE", "/v1/namespaces/\(name)/dns")
            let host = try await Command.check("cat", ["/etc/resolv.conf"]).text
            #expect(try await Command.check("ip", ["netns", "exec", name, "cat", "/etc/resolv.conf"]).text == host)

            try FileManager.default.createDirectory(atPath: "\(etc)/\(name)", withIntermediateDirectories: true)
            try Data("nameserver 10.6.6.6\n".utf8).write(to: URL(filePath: "\(etc)/\(name)/resolv.conf"))
            let shown = try await daemon.send("GET", "/v1/namespaces/\(name)/dns").json
            #expect(shown["nameservers"] == ["10.6.6.6"])
        }
        #expect(FileManager.default.fileExists(atPath: "\(etc)/\(name)/resolv.conf"))
    }

    @Test("nsenter enters a namespace in a directory of our own")
    func nsenter() async throws {
        try await withDaemon { daemon in
            let namespace = try await daemon.send("POST", "/v1/namespaces").json
            let path = try #require(namespace["path"]?.string)
            let inode = try await Command.check(
                "nsenter", ["--net=\(path)", "stat", "-L", "-c", "%i", "/proc/self/ns/net"])
            #expect(Int(inode.text.prefix { $0.isNumber }) == namespace["inode"]?.int)
        }
    }

    @Test("The CNI bridge plugin adds to a namespace of ours, and deletes from it")
    func cni() async throws {
        try await withDaemon { daemon in
            let namespace = try await daemon.send("POST", "/v1/namespaces").json
            let path = try #require(namespace["path"]?.string)
            let bridge = "nnt" + name.suffix(8)
            let configuration = """
                {"cniVersion":"1.0.0","name":"\(name)","type":"bridge","bridge":"\(bridge)","ipam":{"type":"host-local",
                "subnet":"10.213.77.0/24","dataDir":"\(daemon.home.root)/cni"}}
                """
            var environment = [
                "CNI_COMMAND": "ADD", "CNI_CONTAINERID": name, "CNI_NETNS": path, "CNI_IFNAME": "eth0",
                "CNI_PATH": "/usr/lib/cni",
            ]
            let plugin = "/usr/lib/cni/bridge"
            do {
                try await Command.check(plugin, input: configuration, environment: environment)
                let links = try await Command.check("nsenter", ["--net=\(path)", "ip", "-o", "addr"]).text
                #expect(links.contains("eth0") && links.contains("10.213.77."))
                environment["CNI_COMMAND"] = "DEL"
                try await Command.check(plugin, input: configuration, environment: environment)
                #expect(
                    try await Command.check("nsenter", ["--net=\(path)", "ip", "-o", "link"]).text.contains("eth0")
                        == false)
            } catch {
                _ = try? await Command.run("ip", ["link", "delete", bridge])
                throw error
            }
            try await Command.check("ip", ["link", "delete", bridge])
            #expect(try await daemon.send("DELETE", try #require(namespace["name"]?.string).asPath).status == 204)
        }
    }

    @Test("Eight daemons that race for a bare directory leave one mount of it")
    func race() async throws {
        try await withHome { home in
            let homes = try (0..<8).map { _ in try DaemonHome(netnsDirectory: home.netnsDirectory) }
            let failures = await withTaskGroup(of: String?.self) { group in
                for (number, other) in homes.enumerated() {
                    group.addTask { await Self.create("race-\(number)", in: other) }
                }
                return await group.reduce(into: [String]()) { $0 += $1.map { [$0] } ?? [] }
            }
            for other in homes { try other.remove() }
            #expect(failures.isEmpty)
            #expect(try home.ownMounts() == 1)
            #expect(home.names.count == 8)
            #expect(try Resources.mountPoints(below: home.root).count == 9)
        }
    }

    /// `ip netns add` has no other directory than the real one, which is bare again when nothing is in it.
    @Test("Four daemons and four ip netns add that race for the directory leave one mount of it")
    func mixedRace() async throws {
        let homes = try (0..<4).map { _ in try DaemonHome(netnsDirectory: Self.directory) }
        let names = (0..<8).map { "\(name)-\($0)" }
        if ((try? FileManager.default.contentsOfDirectory(atPath: Self.directory)) ?? []).isEmpty {
            _ = try await Command.run("umount", [Self.directory])
        }
        let failures = await withTaskGroup(of: String?.self) { group in
            for (home, name) in zip(homes, names) { group.addTask { await Self.create(name, in: home) } }
            for name in names.dropFirst(4) {
                group.addTask {
                    do {
                        try await Command.check("ip", ["netns", "add", name])
                        return nil
                    } catch {
                        return "\(error)"
                    }
                }
            }
            return await group.reduce(into: [String]()) { $0 += $1.map { [$0] } ?? [] }
        }
        let mounts = try Resources.mountPoints(below: "/run")
        let listed = try await Command.run("ip", ["netns", "list"]).text
        for name in names { _ = try await Command.run("ip", ["netns", "delete", name]) }
        for home in homes { try home.remove() }
        #expect(failures.isEmpty)
        #expect(mounts.count { $0 == Self.directory } == 1)
        for name in names {
            #expect(listed.contains(name))
            #expect(mounts.count { $0 == "\(Self.directory)/\(name)" } == 1, "\(name)")
        }
    }

    /// Starts a daemon, makes a namespace with it and kills it; answers what went wrong.
    private static func create(_ name: String, in home: DaemonHome) async -> String? {
        do {
            let daemon = try await Daemon(home: home)
            let status = try? await daemon.send("PUT", "/v1/namespaces/\(name)").status
            try await daemon.kill()
            return status == 201 ? nil : "\(daemon.log)"
        } catch {
            return "\(error)"
        }
    }

    private func listed(by daemon: Daemon) async throws -> Bool {
        let list = try await daemon.send("GET", "/v1/namespaces?limit=1000").json
        return list["namespaces"]?.array?.contains { $0["name"]?.string == name } ?? false
    }

    /// A daemon on the directory that all tools share.
    private func withRealDaemon(
        arguments: [String] = [], _ body: (Daemon) async throws -> Void
    ) async throws {
        do {
            try await withDaemon(arguments: arguments, netnsDirectory: Self.directory, body)
        } catch {
            _ = try? await Command.run("ip", ["netns", "delete", name])
            throw error
        }
        if FileManager.default.fileExists(atPath: "\(Self.directory)/\(name)") {
            try await Command.check("ip", ["netns", "delete", name])
        }
    }
}

extension String {
    fileprivate var asPath: String { "/v1/namespaces/\(self)" }
}
