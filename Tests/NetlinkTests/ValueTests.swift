import Testing

@testable import Netlink

@Suite("Names and addresses") struct ValueTests {
    @Test("names that the kernel takes", arguments: ["a", "eth0", "veth-a.b_c", "123456789012345", "ß", "a\u{1}b"])
    func goodNames(text: String) {
        #expect(LinkName(text)?.text == text)
    }

    @Test(
        "names that it refuses, or would choose another one for",
        arguments: [
            "", ".", "..", "1234567890123456", "a/b", "a:b", "a b", "a\tb", "a\nb", "a\u{0}b", "veth%d", "à",
            "ßßßßßßßß",
        ])
    func badNames(text: String) {
        #expect(LinkName(text) == nil)
    }

    @Test(
        "an address is written as RFC 5952 has it",
        arguments: [
            ("10.0.0.1", "10.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("::", "::"),
            ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("fe80:0:0:0:0:0:0:1", "fe80::1"), ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("2001:0db8::0001", "2001:db8::1"),
        ])
    func addresses(text: String, written: String) {
        #expect(IPAddress(text)?.description == written)
        #expect(IPAddress(text).flatMap { IPAddress(bytes: $0.bytes) } == IPAddress(text))
    }

    @Test(
        "what is no address",
        arguments: [
            "", "10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.1 ", " 10.0.0.1", "10.0.0.1/8", "0x0a000001", "1", ":",
            ":::", "fe80::1%eth0", "2001:db8::g", "::1\u{0}", "10.0.0.1\u{0}x", "1:2:3:4:5:6:7:8:9", "[::1]",
            "1234567890123456789012345678901234567890123456",
        ])
    func noAddresses(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test("addresses are in order, IPv4 first") func order() throws {
        let texts = ["9.9.9.9", "10.0.0.1", "192.168.0.1", "::1", "fe80::1"]
        #expect(try texts.reversed().map { try #require(IPAddress($0)) }.sorted().map(\.description) == texts)
    }

    @Test("a prefix, its network and what is in it") func prefixes() throws {
        let prefix = try #require(IPPrefix("10.1.2.3/20"))
        #expect(prefix.description == "10.1.2.3/20")
        #expect(prefix.network.description == "10.1.0.0/20")
        #expect(!prefix.isNetwork && prefix.network.isNetwork)
        #expect(prefix.contains(try #require(IPAddress("10.1.15.255"))))
        #expect(!prefix.contains(try #require(IPAddress("10.1.16.0"))))
        #expect(!prefix.contains(try #require(IPAddress("::1"))))
        #expect(IPPrefix("10.0.0.1")?.description == "10.0.0.1/32")
        #expect(IPPrefix("2001:db8::1/64")?.network.description == "2001:db8::/64")
        #expect(IPPrefix("10.9.8.7/0")?.network == .all(.v4))
        #expect(IPPrefix("2001:db8::1/0")?.network == .all(.v6))
    }

    @Test(
        "what is no prefix",
        arguments: [
            "", "/", "10.0.0.1/", "10.0.0.1/33", "10.0.0.1/08", "10.0.0.1/+8", "10.0.0.1/ 8", "::/129", "::/1/1",
        ])
    func noPrefixes(text: String) {
        #expect(IPPrefix(text) == nil)
    }

    @Test("Ethernet addresses") func mac() {
        #expect(MACAddress("02:00:5E:aa:0b:f1")?.description == "02:00:5e:aa:0b:f1")
        #expect(MACAddress("02:00:5e:aa:0b:f1")?.bytes == [2, 0, 0x5e, 0xaa, 0x0b, 0xf1])
        #expect(MACAddress("02:00:5e:aa:0b:f1").flatMap { MACAddress(bytes: $0.bytes) } != nil)
        #expect(MACAddress("02:00:5e:aa:0b:f1")?.isUnicast == true)
        #expect(MACAddress("01:00:5e:00:00:01")?.isUnicast == false)
        #expect(MACAddress("00:00:00:00:00:00")?.isUnicast == false)
    }

    @Test(
        "what is none",
        arguments: ["", "02:00:5e:aa:0b", "02:00:5e:aa:0b:f1:", "2:0:5e:aa:b:f1", "02-00-5e-aa-0b-f1", "02005eaa0bf1"])
    func noMAC(text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test("scopes and protocols have the names that ip(8) uses") func names() {
        #expect(
            [.global, .site, .link, .host, .nowhere].map(\RouteScope.description) == [
                "global", "site", "link", "host", "nowhere",
            ])
        #expect(RouteScope("link") == .link && RouteScope("7") == RouteScope(rawValue: 7) && RouteScope("far") == nil)
        #expect(RouteProtocol("static") == .static && RouteProtocol.boot.description == "boot")
        #expect(RouteProtocol("186") == RouteProtocol(rawValue: 186) && RouteProtocol("bird!") == nil)
        #expect(RouteType.allCases.allSatisfy { RouteType(number: $0.number) == $0 })
        #expect(RouteType.prohibit.number == 8)
        #expect(NeighbourState.allCases.allSatisfy { NeighbourState(number: $0.number) == $0 })
        #expect(NeighbourState.permanent.number == 0x80)
    }
}
