import LinuxKit
import SystemPackage
import TestSupport
import Testing

@testable import Netlink

@Suite("Addresses and neighbours", .tags(.kernel)) struct AddressTests {
    @Test("IPv4 addresses: added, replaced, listed, deleted") func version4() async throws {
        try await withNamespace { space in
            let link = try await space.addPair()
            let plain = InterfaceAddress(
                link: link, address: try prefix("10.0.0.1/24"), broadcast: try address("10.0.0.255"), label: "a:x")
            let pointToPoint = InterfaceAddress(
                link: link, address: try prefix("10.1.0.1/32"), peer: try address("10.1.0.2"), scope: .link,
                flags: .noPrefixRoute)
            for item in [plain, pointToPoint] {
                try await space.perform { () throws(SystemError) in try .addAddress(item) }
            }
            let items = try #require(try await space.ip("-4 addr show a").first?["addr_info"]?.array)
            // The kernel has those of a narrower scope first.
            let shown = Array(items.reversed())
            #expect(shown.count == 2)
            #expect(shown[0]["local"] == "10.0.0.1" && shown[0]["prefixlen"] == 24)
            #expect(shown[0]["broadcast"] == "10.0.0.255" && shown[0]["label"] == "a:x")
            #expect(shown[1]["local"] == "10.1.0.1" && shown[1]["address"] == "10.1.0.2")
            #expect(shown[1]["scope"] == "link" && shown[1]["noprefixroute"] == true)

            let read = try await space.run { (socket) throws(SystemError) in
                Array(try socket.addresses(of: link, family: .v4).reversed())
            }
            #expect(read.map(\.address) == [plain.address, pointToPoint.address])
            #expect(read.map(\.peer) == [nil, pointToPoint.peer] && read.map(\.label) == ["a:x", "a"])
            #expect(read[1].flags == [.permanent, .noPrefixRoute] && read[0].broadcast == plain.broadcast)

            let refused = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .addAddress(plain) }
            }
            #expect(refused?.operation == .addAddress && refused?.errno == .fileExists)
            var limited = plain
            limited.validLifetime = 1000
            limited.preferredLifetime = 500
            let replacement = limited
            try await space.perform { () throws(SystemError) in try .addAddress(replacement, replacing: true) }
            let lifetimes = try #require(try await space.ip("-4 addr show a").first?["addr_info.1"])
            #expect((990...1000).contains(lifetimes["valid_life_time"]?.int ?? 0))
            #expect((490...500).contains(lifetimes["preferred_life_time"]?.int ?? 0))

            for item in [plain, pointToPoint] {
                try await space.perform { () throws(SystemError) in try .deleteAddress(item) }
            }
            #expect(try await space.ip("-4 addr show a").first?.has("addr_info.0") != true)
            let gone = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .deleteAddress(plain) }
            }
            #expect(gone?.errno == .addressNotAvailable && gone?.operation == .deleteAddress)
        }
    }

    @Test("IPv6 addresses: added, listed, deleted") func version6() async throws {
        try await withNamespace { space in
            let link = try await space.addPair()
            let plain = InterfaceAddress(
                link: link, address: try prefix("2001:db8::1/64"), flags: .noDuplicateDetection)
            let pointToPoint = InterfaceAddress(
                link: link, address: try prefix("2001:db8:1::1/128"), peer: try address("2001:db8:1::2"))
            for item in [plain, pointToPoint] {
                try await space.perform { () throws(SystemError) in try .addAddress(item) }
            }
            let shown = try #require(try await space.ip("-6 addr show a scope global").first?["addr_info"]?.array)
            #expect(shown.contains { $0["local"] == "2001:db8::1" && $0["prefixlen"] == 64 && $0["nodad"] == true })
            #expect(shown.contains { $0["local"] == "2001:db8:1::1" && $0["address"] == "2001:db8:1::2" })
            let read = try await space.run { (socket) throws(SystemError) in
                try socket.addresses(of: link, family: .v6)
            }
            #expect(read.contains { $0.address == plain.address && $0.flags.contains(.permanent) && $0.peer == nil })
            #expect(read.contains { $0.address == pointToPoint.address && $0.peer == pointToPoint.peer })
            #expect(read.contains { $0.address.address.isLinkLocal && $0.scope == .link })
            for item in [plain, pointToPoint] {
                try await space.perform { () throws(SystemError) in try .deleteAddress(item) }
            }
            #expect(try await space.ip("-6 addr show a scope global").first?.has("addr_info.0") != true)
        }
    }

    @Test("what ip(8) added is read, of both families and all links") func reading() async throws {
        try await withNamespace { space in
            try await space.addPair()
            try await space.command("ip addr add 192.0.2.1/25 brd + dev a")
            try await space.command("ip addr add 2001:db8::7/64 dev b")
            let addresses = try await space.run { (socket) throws(SystemError) in try socket.addresses() }
            #expect(addresses.contains { $0.address.description == "192.0.2.1/25" && $0.label == "a" })
            #expect(addresses.contains { $0.address.description == "2001:db8::7/64" })
            #expect(addresses.first { $0.broadcast != nil }?.broadcast?.description == "192.0.2.127")
        }
    }

    @Test("neighbours of both families: added, replaced, listed, deleted") func neighbours() async throws {
        try await withNamespace { space in
            let link = try await space.addPair()
            for text in ["10.0.0.9", "2001:db8::9"] {
                let first = Neighbour(
                    link: link, address: try address(text), mac: try mac("02:00:00:00:00:09"), state: .permanent)
                try await space.perform { () throws(SystemError) in try .addNeighbour(first) }
                let shown = try #require(try await space.ip("neigh show \(text)").first)
                #expect(shown["lladdr"] == "02:00:00:00:00:09" && shown["state.0"] == "PERMANENT")
                let refused = await #expect(throws: SystemError.self) {
                    try await space.perform { () throws(SystemError) in try .addNeighbour(first) }
                }
                #expect(refused?.errno == .fileExists)
                let second = Neighbour(
                    link: link, address: first.address, mac: try mac("02:00:00:00:00:0a"), state: .reachable)
                try await space.perform { () throws(SystemError) in try .addNeighbour(second, replacing: true) }
                let read = try await space.run { (socket) throws(SystemError) in try socket.neighbours(of: link) }
                #expect(read.contains(second))
                try await space.perform { () throws(SystemError) in try .deleteNeighbour(second) }
            }
            try await space.command("ip neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 nud noarp dev b")
            let all = try await space.run { (socket) throws(SystemError) in try socket.neighbours(family: .v4) }
            #expect(all.first { $0.address.description == "10.0.0.8" }?.state == .noARP)
            let ours = try await space.run { (socket) throws(SystemError) in
                try socket.neighbours(of: link, family: .v4)
            }
            #expect(ours.allSatisfy { $0.link == link } && !ours.contains { $0.address.description == "10.0.0.8" })
        }
    }
}
