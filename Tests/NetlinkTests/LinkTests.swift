import LinuxKit
import SystemPackage
import TestSupport
import Testing

@testable import Netlink

@Suite("Links", .tags(.kernel)) struct LinkTests {
    @Test("a veth pair with its peer in another namespace, both as asked") func pair() async throws {
        try await withNamespaces(2) { spaces in
            let peer = VethPeer(name: try name("b"), mtu: 1400, address: try mac("02:00:00:00:00:0b"))
            let new = NewLink(
                try name("a"), .veth(peer: peer), isUp: true, mtu: 1400, address: try mac("02:00:00:00:00:0a"))
            try await spaces[0].perform { [other = spaces[1]] () throws(SystemError) in
                try .createLink(new, peerIn: other.descriptor)
            }
            let peerIndex = try await spaces[1].index(of: "b")
            try await spaces[1].perform { () throws(SystemError) in
                try .changeLink(peerIndex, LinkChange(isUp: true))
            }
            let a = try #require(try await spaces[0].ip("link show dev a").first)
            #expect(a["linkinfo.info_kind"] == "veth" && a["mtu"] == 1400 && a["address"] == "02:00:00:00:00:0a")
            #expect(a["operstate"] == "UP" && a["link_netnsid"] == 0)
            let b = try #require(try await spaces[1].ip("link show dev b").first)
            #expect(b["linkinfo.info_kind"] == "veth" && b["mtu"] == 1400 && b["address"] == "02:00:00:00:00:0b")
            #expect(b["operstate"] == "UP")

            let link = try #require(try await spaces[0].link("a"))
            #expect(link.kind == "veth" && link.isUp && link.hasCarrier == true && link.operationalState == .up)
            #expect(link.lower == LinkIndex(try #require(b["ifindex"]?.int)) && link.lowerNamespaceID == 0)
            let id = try await spaces[0].run { [other = spaces[1]] (socket) throws(SystemError) in
                try socket.namespaceID(of: other.descriptor)
            }
            #expect(id == 0)
        }
    }

    @Test("a pair in one namespace knows its peer by index") func pairWithin() async throws {
        try await withNamespace { space in
            let new = NewLink(try name("a"), .veth(peer: VethPeer(name: try name("b"))))
            try await space.perform { () throws(SystemError) in try .createLink(new) }
            let link = try #require(try await space.link("a"))
            #expect(link.lower == (try await space.index(of: "b")) && link.lowerNamespaceID == nil)
            #expect(!link.isUp && link.operationalState == .down && link.hasCarrier != true)
        }
    }

    @Test("a bridge, its ports, and what is changed about it") func bridge() async throws {
        try await withNamespace { space in
            try await space.addPair()
            let bridge = NewLink(try name("br0"), .bridge(Bridge(usesSTP: true)), isUp: true)
            try await space.perform { () throws(SystemError) in try .createLink(bridge) }
            let shown = try #require(try await space.ip("link show br0").first)
            #expect(shown["linkinfo.info_data.stp_state"] == 1)
            let index = try await space.index(of: "br0")
            let port = try await space.index(of: "a")
            try await space.perform { () throws(SystemError) in
                try .changeLink(port, LinkChange(master: .link(index)))
            }
            #expect(try await space.ip("link show dev a").first?["master"] == "br0")
            #expect(try await space.link("a")?.master == index)
            try await space.perform { () throws(SystemError) in
                try .changeLink(index, LinkChange(usesSTP: false))
            }
            #expect(try await space.link("br0")?.details == .bridge(Bridge()))
            try await space.perform { () throws(SystemError) in
                try .changeLink(port, LinkChange(master: LinkChange.Master.none))
            }
            #expect(try await space.ip("link show dev a").first?.has("master") == false)
            try await space.perform { () throws(SystemError) in try .deleteLink(index) }
            #expect(try await space.link("br0") == nil)
        }
    }

    @Test("a bridge filters VLANs where the kernel can, and else it is refused") func filtering() async throws {
        try await withNamespace { space in
            let canFilter =
                try await Command.run(
                    "nsenter", "--net=\(space.path) ip link add name probe type bridge vlan_filtering 1".words
                ).status == 0
            let bridge = NewLink(try name("br0"), .bridge(Bridge(filtersVLANs: true)))
            do {
                try await space.perform { () throws(SystemError) in try .createLink(bridge) }
                #expect(canFilter)
                #expect(try await space.ip("link show br0").first?["linkinfo.info_data.vlan_filtering"] == 1)
                let index = try await space.index(of: "br0")
                try await space.perform { () throws(SystemError) in
                    try .changeLink(index, LinkChange(filtersVLANs: false))
                }
                #expect(try await space.link("br0")?.details == .bridge(Bridge()))
            } catch let error as SystemError {
                #expect(!canFilter && error.errno == .notSupported && !error.lacksKind, "\(error)")
                #expect(try await space.link("br0") == nil)
            }
        }
    }

    @Test("a VLAN's link where the kernel has them, and else it is refused as a kind that is lacking")
    func vlan() async throws {
        try await withNamespace { space in
            let parent = try await space.addPair()
            let hasVLANs =
                try await Command.run(
                    "nsenter", "--net=\(space.path) ip link add link b name probe type vlan id 5".words
                ).status == 0
            let vlan = VLAN(id: 7, tag: .service)
            let new = NewLink(try name("v7"), .vlan(vlan, parent: parent))
            do {
                try await space.perform { () throws(SystemError) in try .createLink(new) }
                #expect(hasVLANs)
                let data = try #require(try await space.ip("link show v7").first?["linkinfo.info_data"])
                #expect(data["id"] == 7 && data["protocol"] == "802.1ad")
                #expect(try await space.link("v7")?.details == .vlan(vlan))
            } catch let error as SystemError {
                #expect(!hasVLANs && error.lacksKind, "\(error)")
            }
        }
    }

    @Test("a port's master can be given at its creation") func bornPort() async throws {
        try await withNamespace { space in
            try await space.command("ip link add name br0 type bridge")
            let index = try await space.index(of: "br0")
            let new = NewLink(try name("a"), .veth(peer: VethPeer()), master: index)
            try await space.perform { () throws(SystemError) in try .createLink(new) }
            #expect(try await space.ip("link show dev a").first?["master"] == "br0")
        }
    }

    @Test("a macvlan of each mode", arguments: [MACVLANMode.private, .vepa, .bridge, .passthru])
    func macvlan(mode: MACVLANMode) async throws {
        try await withNamespace { space in
            let parent = try await space.addPair()
            let new = NewLink(try name("m0"), .macvlan(mode, parent: parent))
            try await space.perform { () throws(SystemError) in try .createLink(new) }
            let shown = try #require(try await space.ip("link show m0").first)
            #expect(shown["linkinfo.info_data.mode"]?.string == "\(mode)" && shown["link"] == "a")
            let link = try #require(try await space.link("m0"))
            #expect(link.details == .macvlan(mode) && link.lower == parent)
        }
    }

    @Test("a VXLAN to a host, and one to a group by a link") func vxlan() async throws {
        try await withNamespace { space in
            let parent = try await space.addPair()
            let first = VXLAN(id: 42, remote: try address("192.0.2.1"), local: try address("192.0.2.2"), port: 4790)
            let second = VXLAN(id: 43, remote: try address("ff02::5"), parent: parent)
            let links = [NewLink(try name("x0"), .vxlan(first)), NewLink(try name("x1"), .vxlan(second))]
            for link in links { try await space.perform { () throws(SystemError) in try .createLink(link) } }
            let data = try #require(try await space.ip("link show x0").first?["linkinfo.info_data"])
            #expect(data["id"] == 42 && data["remote"] == "192.0.2.1" && data["local"] == "192.0.2.2")
            #expect(data["port"] == 4790)
            let group = try #require(try await space.ip("link show x1").first?["linkinfo.info_data"])
            #expect(group["group6"] == "ff02::5" && group["link"] == "a" && group["port"] == 4789)
            #expect(try await space.link("x0")?.details == .vxlan(first))
            #expect(try await space.link("x1")?.details == .vxlan(second))
        }
    }

    @Test("an ifb") func ifb() async throws {
        try await withNamespace { space in
            let new = NewLink(try name("ifb7"), .ifb, isUp: true)
            try await space.perform { () throws(SystemError) in try .createLink(new) }
            #expect(try await space.ip("link show ifb7").first?["linkinfo.info_kind"] == "ifb")
        }
    }

    @Test("tun and tap devices that stay", arguments: Tun.Mode.allCases) func tun(mode: Tun.Mode) async throws {
        try await withNamespace { space in
            let tun = Tun(mode: mode, owner: 1000, group: 100, hasSeveralQueues: true)
            let device = try name("t0")
            try await space.inside { () throws(SystemError) in try TunDevice.create(device, tun) }
            let again = await #expect(throws: SystemError.self) {
                try await space.inside { () throws(SystemError) in try TunDevice.create(device, tun) }
            }
            #expect(again?.operation == .makeTun && again?.errno == .resourceBusy)
            let data = try #require(try await space.ip("link show t0").first?["linkinfo.info_data"])
            #expect(data["type"]?.string == mode.rawValue && data["persist"] == true && data["multi_queue"] == true)
            let link = try #require(try await space.link("t0"))
            #expect(link.kind == "tun" && link.details == .tun(tun))
            let index = link.index
            try await space.perform { () throws(SystemError) in try .deleteLink(index) }
            #expect(try await space.ip("link").count == 1)
        }
    }

    @Test("what ip(8) made is read", arguments: ["up", "down"]) func reading(state: String) async throws {
        try await withNamespace { space in
            try await space.command(
                "ip link add name a address 02:00:00:00:00:01 mtu 1300 txqueuelen 7 type veth peer name b")
            try await space.command("ip link set dev a \(state) alias hello")
            try await space.command("ip link set dev b up")
            let link = try #require(try await space.link("a"))
            let shown = try #require(try await space.ip("link show dev a").first)
            #expect(link.address?.description == "02:00:00:00:00:01" && link.mtu == 1300 && link.alias == "hello")
            #expect(link.transmitQueueLength == 7 && link.isUp == (state == "up"))
            #expect(link.queueDiscipline == shown["qdisc"]?.string)
            #expect(link.operationalState.rawValue == shown["operstate"]?.string?.lowercased())
            #expect(link.flags.names == shown["flags"]?.array?.compactMap(\.string).filter { $0 != "M-DOWN" })
            let loopback = try #require(try await space.link("lo"))
            #expect(loopback.isLoopback && loopback.hardwareType == 772 && loopback.kind == nil)
        }
    }

    @Test("a link is raised, renamed, given an MTU, an address and an alias, and loses the alias") func change()
        async throws
    {
        try await withNamespace { space in
            let index = try await space.addPair()
            let change = LinkChange(
                isUp: false, mtu: 9000, address: try mac("02:00:00:00:00:02"), name: try name("new"), alias: "étage 2")
            try await space.perform { () throws(SystemError) in try .changeLink(index, change) }
            let shown = try #require(try await space.ip("link show new").first)
            #expect(shown["mtu"] == 9000 && shown["address"] == "02:00:00:00:00:02" && shown["ifalias"] == "étage 2")
            #expect(shown["operstate"] == "DOWN" && shown["ifindex"]?.int == Int(index))
            try await space.perform { () throws(SystemError) in
                try .changeLink(index, LinkChange(isUp: true, alias: ""))
            }
            let after = try #require(try await space.ip("link show new").first)
            #expect(!after.has("ifalias") && after["operstate"] == "UP" && after["mtu"] == 9000)
            #expect(try await space.link("new")?.alias == nil)
        }
    }

    @Test("a link moves into another namespace under another name, and back") func move() async throws {
        try await withNamespaces(2) { spaces in
            let index = try await spaces[0].addPair()
            let new = try name("moved")
            try await spaces[0].perform { [other = spaces[1]] () throws(SystemError) in
                try .moveLink(index, into: other.descriptor, name: new)
            }
            #expect(try await spaces[0].link("a") == nil)
            let moved = try #require(try await spaces[1].ip("link show moved").first)
            #expect(moved["operstate"] == "DOWN")
            let there = LinkIndex(try #require(moved["ifindex"]?.int))
            try await spaces[1].perform { [first = spaces[0]] () throws(SystemError) in
                try .moveLink(there, into: first.descriptor)
            }
            #expect(try await spaces[0].link("moved")?.kind == "veth")
        }
    }

    @Test("100 links with their counters are those that ip -s shows") func counters() async throws {
        try await withNamespace { space in
            let batch = (0..<50).map { "link add name a\($0) up type veth peer name b\($0)" }.joined(separator: "\n")
            let path = space.path
            try await Command.check("nsenter", ["--net=\(path)", "ip", "-batch", "-"], input: batch)
            try await space.command("ip addr add 10.0.0.1/24 dev a0")
            try await space.command("ip link set lo up")
            let sending = "for number in 1 2 3; do echo hello > /dev/udp/10.0.0.1/9; done"
            _ = try await Command.run("nsenter", ["--net=\(path)", "bash", "-c", sending])
            let links = try await space.run { (socket) throws(SystemError) in try socket.links() }
            let shown = try await space.ip("-s link")
            #expect(links.count == 101 && shown.count == 101)
            for (link, other) in zip(links, shown) {
                #expect(link.name == other["ifname"]?.string && Int(link.index) == other["ifindex"]?.int)
            }
            let loopback = try #require(links.first { $0.isLoopback }?.statistics)
            #expect(loopback.receivedPackets >= 3 && loopback.sentBytes >= 3 * 48)
            #expect(shown[0]["stats64.rx.packets"]?.int == Int(loopback.receivedPackets))
            #expect(shown[0]["stats64.tx.bytes"]?.int == Int(loopback.sentBytes))
            #expect(links.allSatisfy { $0.statistics != nil })
        }
    }

    @Test("namespaces get ids") func namespaceIDs() async throws {
        try await withNamespaces(2) { spaces in
            let other = spaces[1]
            let find = { @Sendable (socket: NetlinkSocket) throws(SystemError) -> NamespaceID? in
                try socket.namespaceID(of: other.descriptor)
            }
            #expect(try await spaces[0].run(find) == nil)
            try await spaces[0].perform { () throws(SystemError) in try .assignNamespaceID(to: other.descriptor) }
            #expect(try await spaces[0].run(find) == 0)
            let again = await #expect(throws: SystemError.self) {
                try await spaces[0].perform { () throws(SystemError) in try .assignNamespaceID(to: other.descriptor) }
            }
            #expect(again?.errno == .fileExists && again?.operation == .assignNamespaceID)
        }
    }
}
