import LinuxKit
import SystemPackage
import TestSupport
import Testing

@testable import Netlink

/// A pair with addresses of both families, for routes to have something to lead to.
private func withWire(_ body: (TestNamespace, LinkIndex) async throws -> Void) async throws {
    try await withNamespace { space in
        let link = try await space.addPair()
        try await space.command("ip addr add 10.0.0.1/24 dev a")
        try await space.command("ip addr add 2001:db8::1/64 dev a nodad")
        try await body(space, link)
    }
}

@Suite("Routes and rules", .tags(.kernel)) struct RouteTests {
    @Test(
        "a route by a gateway, of both families, also of a table beyond 255",
        arguments: [
            ("10.9.0.0/16", "10.0.0.2", 254), ("0.0.0.0/0", "10.0.0.2", 254), ("10.9.0.0/16", "10.0.0.2", 100_000),
            ("2001:db8:9::/48", "2001:db8::2", 254), ("::/0", "2001:db8::2", 254), ("::/0", "2001:db8::2", 1000),
        ])
    func gateway(destination: String, gateway: String, table: UInt32) async throws {
        try await withWire { space, link in
            let route = Route(
                destination: try prefix(destination), gateway: try address(gateway), link: link,
                source: try address(gateway.contains(":") ? "2001:db8::1" : "10.0.0.1"), metric: 77,
                table: RouteTable(rawValue: table), protocol: .static)
            try await space.perform { () throws(SystemError) in try .addRoute(route) }
            let text = route.destination.length == 0 ? "default" : destination
            let family = gateway.contains(":") ? "-6" : "-4"
            let shown = try #require(try await space.ip("\(family) route show table \(table) \(text)").first)
            #expect(shown["gateway"]?.string == gateway && shown["dev"] == "a" && shown["metric"] == 77)
            #expect(shown["protocol"] == "static" && shown["dst"]?.string == text)
            #expect(shown["prefsrc"]?.string == route.source?.description)
            let read = try await space.run { (socket) throws(SystemError) in
                try socket.routes(family: route.family, table: route.table)
            }
            var expected = route
            expected.scope = .global
            #expect(read.contains(expected))

            let refused = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .addRoute(route) }
            }
            #expect(refused?.operation == .addRoute && refused?.errno == .fileExists)
            let selector = RouteSelector(destination: route.destination, table: route.table, metric: 77)
            try await space.perform { () throws(SystemError) in try .deleteRoute(selector) }
            #expect(try await space.ip("\(family) route show table all \(text) metric 77").isEmpty)
            let gone = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .deleteRoute(selector) }
            }
            #expect(gone?.operation == .deleteRoute && gone?.errno.rawValue == 3)
        }
    }

    @Test("a route is replaced", arguments: ["10.9.0.0/16", "2001:db8:9::/48"])
    func replaced(destination: String) async throws {
        try await withWire { space, link in
            let isLater = destination.contains(":")
            for gateway in isLater ? ["2001:db8::2", "2001:db8::3"] : ["10.0.0.2", "10.0.0.3"] {
                let route = Route(destination: try prefix(destination), gateway: try address(gateway), metric: 5)
                try await space.perform { () throws(SystemError) in try .addRoute(route, replacing: true) }
            }
            let shown = try await space.ip("\(isLater ? "-6" : "-4") route show \(destination)")
            #expect(shown.count == 1 && shown[0]["gateway"]?.string == (isLater ? "2001:db8::3" : "10.0.0.3"))
        }
    }

    @Test(
        "routes that lead nowhere", arguments: [RouteType.blackhole, .unreachable, .prohibit, .throw],
        ["10.9.0.0/16", "2001:db8:9::/48"])
    func nowhere(type: RouteType, destination: String) async throws {
        try await withWire { space, _ in
            let route = Route(destination: try prefix(destination), type: type)
            try await space.perform { () throws(SystemError) in try .addRoute(route) }
            let family = destination.contains(":") ? "-6" : "-4"
            let shown = try await space.ip("\(family) route show \(destination)")
            #expect(shown.first?["type"]?.string == type.rawValue)
            let read = try await space.run { (socket) throws(SystemError) in
                try socket.routes(family: route.family, table: .main)
            }
            #expect(read.first { $0.destination == route.destination }?.type == type)
        }
    }

    @Test("several next hops, with weights", arguments: [IPAddress.Family.v4, .v6])
    func hops(family: IPAddress.Family) async throws {
        try await withWire { space, link in
            let gateways = family == .v4 ? ["10.0.0.2", "10.0.0.3"] : ["2001:db8::2", "2001:db8::3"]
            let hops = try gateways.enumerated().map {
                NextHop(gateway: try address($1), link: link, weight: $0 + 3)
            }
            let route = Route(destination: .all(family), hops: hops)
            try await space.perform { () throws(SystemError) in try .addRoute(route) }
            let flag = family == .v4 ? "-4" : "-6"
            let shown = try #require(try await space.ip("\(flag) route show default").first?["nexthops"]?.array)
            #expect(shown.map { $0["gateway"]?.string } == gateways && shown.map { $0["weight"] } == [3, 4])
            let read = try await space.run { (socket) throws(SystemError) in
                try socket.routes(family: family, table: .main)
            }
            #expect(read.first { $0.destination.length == 0 }?.hops == hops)
        }
    }

    @Test("IPv4 by an IPv6 gateway, and a gateway that no prefix covers") func otherFamily() async throws {
        try await withWire { space, link in
            let routes = [
                Route(destination: try prefix("10.8.0.0/16"), gateway: try address("2001:db8::2"), link: link),
                Route(
                    destination: try prefix("10.7.0.0/16"), gateway: try address("192.0.2.1"), link: link,
                    isOnLink: true),
                Route(destination: try prefix("10.6.0.0/16"), link: link),
            ]
            for route in routes { try await space.perform { () throws(SystemError) in try .addRoute(route) } }
            let shown = try await space.ip("route show root 10.0.0.0/12")
            #expect(shown.contains { $0["dst"] == "10.8.0.0/16" && $0["via.host"] == "2001:db8::2" })
            #expect(shown.contains { $0["dst"] == "10.7.0.0/16" && $0["flags.0"] == "onlink" })
            #expect(shown.contains { $0["dst"] == "10.6.0.0/16" && $0["scope"] == "link" })
            let read = try await space.run { (socket) throws(SystemError) in
                try socket.routes(family: .v4, table: .main)
            }
            #expect(read.first { $0.destination == routes[0].destination }?.gateway == routes[0].gateway)
            #expect(read.first { $0.destination == routes[1].destination }?.isOnLink == true)
        }
    }

    @Test("what ip(8) and the kernel made is read, by table") func reading() async throws {
        try await withWire { space, link in
            try await space.command("ip route add 10.5.0.0/16 via 10.0.0.2 metric 9 proto static")
            try await space.command("ip route add blackhole 10.4.0.0/16 table 5000")
            try await space.command("ip route add default table 300 nexthop dev a weight 2 nexthop via 10.0.0.9")
            let all = try await space.run { (socket) throws(SystemError) in try socket.routes() }
            let added = try #require(all.first { $0.destination.description == "10.5.0.0/16" })
            #expect(added.gateway?.description == "10.0.0.2" && added.metric == 9 && added.protocol == .static)
            #expect(added.table == .main && added.scope == .global && added.link == link)
            let hidden = try #require(all.first { $0.destination.description == "10.4.0.0/16" })
            #expect(hidden.type == .blackhole && hidden.table.rawValue == 5000)
            let several = try #require(all.first { $0.table.rawValue == 300 })
            #expect(several.hops.map(\.weight) == [2, 1] && several.hops.map(\.link) == [link, link])
            #expect(several.hops.map(\.gateway) == [nil, try address("10.0.0.9")])
            #expect(all.contains { $0.table == .local && $0.type == .local && $0.protocol == .kernel })
            #expect(all.contains { $0.family == .v6 && $0.destination.description == "2001:db8::/64" })
            let main = try await space.run { (socket) throws(SystemError) in try socket.routes(table: .main) }
            #expect(!main.isEmpty && main.allSatisfy { $0.table == .main })
            let none = try await space.run { (socket) throws(SystemError) in
                try socket.routes(table: RouteTable(rawValue: 4711))
            }
            #expect(none.isEmpty)
        }
    }

    @Test("an unreachable gateway is refused in the kernel's words") func unreachable() async throws {
        try await withWire { space, _ in
            let route = Route(destination: try prefix("10.9.0.0/16"), gateway: try address("192.0.2.1"))
            let refused = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .addRoute(route) }
            }
            #expect(refused?.errno == .networkUnreachable)
            #expect(refused?.explanation == "Nexthop has invalid gateway")
        }
    }

    @Test("rules: added, listed, deleted", arguments: [IPAddress.Family.v4, .v6])
    func rules(family: IPAddress.Family) async throws {
        try await withNamespace { space in
            let rule = Rule(
                family: family, priority: 1234, from: try prefix(family == .v4 ? "10.1.0.0/16" : "2001:db8:1::/48"),
                to: try prefix(family == .v4 ? "10.2.0.0/16" : "2001:db8:2::/48"), inputLink: try name("lo"),
                mark: 7, markMask: 0xff, action: .lookup(RouteTable(rawValue: 1000)), isInverted: true,
                suppressedPrefixLength: 0, protocol: .static)
            try await space.perform { () throws(SystemError) in try .addRule(rule) }
            let flag = family == .v4 ? "-4" : "-6"
            let shown = try #require(try await space.ip("\(flag) rule show pref 1234").first)
            #expect(shown["src"]?.string == rule.from?.address.description && shown["iif"] == "lo")
            #expect(shown["dst"]?.string == rule.to?.address.description && shown["table"] == "1000")
            #expect(shown["fwmark"] == "0x7" && shown["fwmask"] == "0xff" && shown.has("not"))
            #expect(shown["suppress_prefixlen"] == 0)
            let read = try await space.run { (socket) throws(SystemError) in try socket.rules(family: family) }
            #expect(read.contains(rule))
            let refused = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .addRule(rule) }
            }
            #expect(refused?.errno == .fileExists && refused?.operation == .addRule)
            try await space.perform { () throws(SystemError) in try .deleteRule(rule) }
            #expect(try await space.ip("\(flag) rule show pref 1234").isEmpty)
            let gone = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .deleteRule(priority: 1234, family: family) }
            }
            #expect(gone?.errno == .noSuchFileOrDirectory && gone?.operation == .deleteRule)
        }
    }

    @Test("rules that ip(8) and the kernel made are read") func readRules() async throws {
        try await withNamespace { space in
            try await space.command("ip rule add pref 50 from 192.0.2.0/24 prohibit")
            try await space.command("ip rule add pref 60 oif lo goto 32766")
            let rules = try await space.run { (socket) throws(SystemError) in try socket.rules() }
            let version4 = rules.filter { $0.family == .v4 }
            #expect(version4.map(\.priority) == [0, 50, 60, 32766, 32767])
            #expect(
                version4.map(\.action) == [
                    .lookup(.local), .prohibit, .goto(32766), .lookup(.main), .lookup(.default),
                ])
            #expect(version4[1].from?.description == "192.0.2.0/24" && version4[2].outputLink?.text == "lo")
            #expect(rules.filter { $0.family == .v6 }.map(\.priority) == [0, 32766])
            try await space.perform { () throws(SystemError) in try .deleteRule(priority: 50, family: .v4) }
            #expect(try await space.ip("rule show pref 50").isEmpty)
        }
    }
}
