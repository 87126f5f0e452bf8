import Foundation
import TestSupport
import Testing

@Suite("Watched namespaces", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct LinkWatchTests {
    /// A daemon with `a`, which is watched, and `b`, which is not, and a pair of links in each.
    private func withWatch(_ body: @Sendable (Daemon, EventCollector) async throws -> Void) async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b"])
            for name in ["a", "b"] { try await daemon.home.ip(name, "link add x type veth peer name y") }
            #expect(try await daemon.expect(200, "GET", "/v1/namespaces/a/watch")["watched"] == .bool(false))
            #expect(try await daemon.expect(200, "PUT", "/v1/namespaces/a/watch")["watched"] == .bool(true))
            // A second time is no other one.
            try await daemon.expect(200, "PUT", "/v1/namespaces/a/watch", "{}")
            #expect(try await daemon.expect(200, "GET", "/v1/namespaces/a/watch")["watched"] == .bool(true))
            #expect(try await daemon.expect(200, "GET", "/v1/namespaces/b/watch")["watched"] == .bool(false))
            try await body(daemon, try await daemon.collectEvents())
        }
    }

    /// The events of a type about what is inside a namespace, by what they tell.
    private func told(_ events: EventCollector, _ type: String, _ name: String = "a") throws -> [JSONValue] {
        try events.events.filter { $0.type == type && $0.name == name }.map { try $0.json }
    }

    @Test("What ip(8) does is told once, in its order, and shown at once")
    func told() async throws {
        try await withWatch { daemon, events in
            let home = daemon.home
            try await home.ip("a", "link set x mtu 1400")
            #expect(try await daemon.expect(200, "GET", "/v1/namespaces/a/links/x")["mtu"] == 1400)
            try await events.first { $0.type == "link-changed" && (try? $0.json["link"]?["mtu"]) == 1400 }
            try await home.ip("a", "addr add 10.0.0.1/24 dev x")
            let addresses = try await daemon.expect(200, "GET", "/v1/namespaces/a/addresses")["addresses"]?.array
            #expect(addresses?.contains { $0["address"] == "10.0.0.1/24" && $0["link"] == "x" } == true)
            try await home.ip("a", "link set x up")
            try await home.ip("a", "link set y up")
            try await home.ip("a", "route add 10.9.0.0/16 via 10.0.0.2")
            let routes = try await daemon.expect(200, "GET", "/v1/namespaces/a/routes")["routes"]?.array
            #expect(routes?.contains { $0["destination"] == "10.9.0.0/16" && $0["link"] == "x" } == true)
            try await home.ip("a", "route del 10.9.0.0/16")
            try await home.ip("a", "addr del 10.0.0.1/24 dev x")
            try await home.ip("a", "link del x")
            #expect(try await daemon.problem("GET", "/v1/namespaces/a/links/x") == "link-not-found")
            try await events.first { $0.type == "link-removed" && (try? $0.json["link"]?["name"]) == "y" }
            try await events.first { $0.type == "link-removed" && (try? $0.json["link"]?["name"]) == "x" }

            #expect(
                try told(events, "address-added").map { $0["address"] }.filter { $0?["address"] == "10.0.0.1/24" }
                    == [["address": "10.0.0.1/24", "link": "x"]])
            #expect(
                try told(events, "route-added").map { $0["route"] }.filter { $0?["destination"] == "10.9.0.0/16" }
                    == [["destination": "10.9.0.0/16", "gateway": "10.0.0.2", "link": "x", "table": 254]])
            let order = events.events.map(\.type)
            let places = ["link-changed", "address-added", "route-added", "route-removed", "address-removed"].map {
                order.firstIndex(of: $0) ?? -1
            }
            #expect(places == places.sorted() && !places.contains(-1), "\(order)")
            #expect(try told(events, "link-removed").count == 2)
            // The kernel says more often that a link is as it is than that it is different.
            let links = try told(events, "link-changed").map { $0["link"] }
            #expect(zip(links, links.dropFirst()).allSatisfy { $0 != $1 }, "\(links)")
        }
    }

    @Test("A watch of others' namespaces, or of none, tells of nothing")
    func onlyWatched() async throws {
        try await withWatch { daemon, events in
            for link in ["x", "y"] { try await daemon.home.ip("b", "link set \(link) up") }
            try await daemon.home.ip("b", "addr add 10.0.0.1/24 dev x")
            try await daemon.home.ip("a", "link set x mtu 1400")
            try await events.first("link-changed", "a")
            #expect(try await daemon.send("DELETE", "/v1/namespaces/a/watch").status == 204)
            #expect(try await daemon.send("DELETE", "/v1/namespaces/a/watch").status == 204)
            try await daemon.home.ip("a", "link set x mtu 1300")
            try await daemon.expect(200, "PUT", "/v1/namespaces/b/watch")
            try await daemon.home.ip("b", "link set x mtu 1350")
            let event = try await events.first("link-changed", "b")
            #expect(try event.json["link"]?["mtu"] == 1350)
            // In one stream, so that an earlier one would have come before.
            #expect(try told(events, "link-changed").allSatisfy { $0["link"]?["mtu"] != 1300 })
            #expect(events.events.filter { $0.name == "b" && $0.type.hasPrefix("address") }.isEmpty)
            for (method, path) in [("GET", "none"), ("PUT", "none"), ("DELETE", "none")] {
                let problem = try await daemon.problem(method, "/v1/namespaces/\(path)/watch")
                #expect(problem == "namespace-not-found", "\(method)")
            }
        }
    }

    @Test("A watch keeps nothing of the namespace alive, and one of its name later is not watched")
    func gone() async throws {
        try await withWatch { daemon, events in
            let home = daemon.home
            // The kernel takes the pair away with the namespace, and not before that is really gone.
            try await home.ip("a", "link add far type veth peer name near netns \(home.netnsDirectory)/b")
            try await events.first { $0.type == "link-changed" && (try? $0.json["link"]?["name"]) == "far" }
            try await daemon.expect(204, "DELETE", "/v1/namespaces/a")
            try await eventually(within: 10, "the other end goes") { try await !home.ipLinks("b").contains("near") }
            try await events.first("deleted", "a")
            try await daemon.expect(201, "PUT", "/v1/namespaces/a")
            #expect(try await daemon.expect(200, "GET", "/v1/namespaces/a/watch")["watched"] == .bool(false))
            let before = try told(events, "link-changed").count
            try await home.ip("a", "link add x type veth peer name y")
            try await daemon.expect(200, "PUT", "/v1/namespaces/a/watch")
            try await home.ip("a", "link set x mtu 1111")
            try await events.first { $0.type == "link-changed" && (try? $0.json["link"]?["mtu"]) == 1111 }
            #expect(try told(events, "link-changed").count == before + 1)
        }
    }

    @Test("Also when another tool takes the namespace away")
    func goneByOthers() async throws {
        try await withWatch { daemon, events in
            let home = daemon.home
            try await home.ip("a", "link add far type veth peer name near netns \(home.netnsDirectory)/b")
            try await home.removeExternal("a")
            try await eventually(within: 10, "the other end goes") { try await !home.ipLinks("b").contains("near") }
            try await events.first("vanished", "a")
            try await daemon.expect(201, "PUT", "/v1/namespaces/a")
            #expect(try await daemon.expect(200, "GET", "/v1/namespaces/a/watch")["watched"] == .bool(false))
        }
    }

    @Test(
        "More changes than the daemon can take are told as lost, and what comes after them is told, whatever was lost")
    func lost() async throws {
        try await withWatch { daemon, events in
            let home = daemon.home
            for link in ["x", "y"] { try await home.ip("a", "link set \(link) up") }
            try await home.ip("a", "link set x mtu 1400")
            try await events.first { event in
                let link = try? event.json["link"]
                return link?["name"] == "x" && link?["mtu"] == 1400 && link?["state"] == "up"
            }
            // None of them is news of the link, but each takes room in the socket, as the kernel tells of an alias while
            // the link is up. The last is one too many.
            let lines = (0..<20000).map { "link set x alias a\($0)" } + ["link set x mtu 1300"]
            let batch = home.root + "/batch"
            try lines.joined(separator: "\n").write(toFile: batch, atomically: true, encoding: .utf8)
            kill(daemon.pid, SIGSTOP)
            do {
                try await home.ip("a", "-batch \(batch)")
            } catch {
                kill(daemon.pid, SIGCONT)
                throw error
            }
            kill(daemon.pid, SIGCONT)
            try await events.first("changes-lost", "a", within: 20)
            #expect(try told(events, "link-changed").allSatisfy { $0["link"]?["mtu"] != 1300 })
            #expect(try await daemon.expect(200, "GET", "/v1/namespaces/a/links/x")["mtu"] == 1300)
            let before = try told(events, "link-changed").count
            // As the daemon last heard of it, and as nobody knows it now.
            try await home.ip("a", "link set x mtu 1400")
            try await eventually(within: 10, "the change is told") { try told(events, "link-changed").count > before }
            #expect(try told(events, "link-changed").dropFirst(before).first?["link"]?["mtu"] == 1400)
            try await home.ip("a", "addr add 10.0.0.1/24 dev x")
            // It knows what the link is called all the same.
            try await events.first { (try? $0.json["address"]) == ["address": "10.0.0.1/24", "link": "x"] }
        }
    }

    @Test("A watch ends with the daemon")
    func restart() async throws {
        try await withHome { home in
            try await withDaemon(in: home) { daemon in
                try await daemon.makeNamespaces(["a"])
                try await daemon.expect(200, "PUT", "/v1/namespaces/a/watch")
                #expect(try await daemon.stop() == 0)
            }
            try await withDaemon(in: home) { daemon in
                #expect(try await daemon.expect(200, "GET", "/v1/namespaces/a/watch")["watched"] == .bool(false))
                let events = try await daemon.collectEvents()
                try await daemon.expect(200, "PUT", "/v1/namespaces/a/watch")
                try await home.ip("a", "link set lo mtu 60000")
                try await events.first("link-changed", "a")
            }
        }
    }
}
