import Foundation
import Testing

@testable import NamespaceCore

@Suite("The resolv.conf and hosts of a namespace") struct DNSConfigurationTests {
    private static var lab: DNSConfiguration {
        var lab = DNSConfiguration()
        lab.nameservers = ["10.0.0.1", "2001:db8::1"]
        lab.search = ["lab.example", "."]
        lab.options = ["ndots:2", "trust-ad"]
        lab.hosts = [
            .init(address: "10.0.0.2", names: ["r1", "r1.lab.example."]), .init(address: "::1", names: ["me"]),
        ]
        return lab
    }

    @Test("what is written is read again") func roundTrip() {
        for configuration in [Self.lab, DNSConfiguration()] {
            let again = DNSConfiguration(resolver: configuration.resolverText, hosts: configuration.hostsText)
            #expect(again == configuration)
        }
        #expect(
            Self.lab.resolverText == """
                nameserver 10.0.0.1
                nameserver 2001:db8::1
                search lab.example .
                options ndots:2 trust-ad

                """)
        #expect(
            Self.lab.hostsText == """
                127.0.0.1\tlocalhost
                ::1\tlocalhost ip6-localhost ip6-loopback
                10.0.0.2\tr1 r1.lab.example.
                ::1\tme

                """)
        #expect(DNSConfiguration().hostsText == nil)
    }

    @Test("what others wrote is read as a resolver reads it, and no more of it") func others() {
        let resolver = """
            ; a comment
            #nameserver 10.0.0.9
            domain old.example
            nameserver\t10.0.0.1  # mine
            nameserver fe80::1%eth0
            nameserver nonsense
            search a.example b_c.example -bad.example
            sortlist 10.0.0.0
            options ndots:2 Bad rotate
            options timeout:1\r
            """
        let hosts = """
            127.0.0.1 localhost
            127.0.0.1\tlocalhost # twice
            ::1  localhost   ip6-localhost ip6-loopback
            127.0.1.1 host host.example # comment
            nonsense name
            10.0.0.3
            10.0.0.4 -bad good
            """
        let read = DNSConfiguration(resolver: resolver, hosts: hosts)
        #expect(read.nameservers == ["10.0.0.1"])
        #expect(read.search == ["a.example", "b_c.example"])
        #expect(read.options == ["ndots:2", "rotate", "timeout:1"])
        #expect(
            read.hosts == [
                .init(address: "127.0.1.1", names: ["host", "host.example"]),
                .init(address: "10.0.0.4", names: ["good"]),
            ])
        let many = String(repeating: "nameserver 10.0.0.1\n", count: 100)
        #expect(DNSConfiguration(resolver: many, hosts: nil).nameservers.count == DNSConfiguration.mostNameservers)
    }

    @Test("nothing that could be more than itself in these files is a value")
    func refusals() {
        let injections = ["a\nnameserver 6.6.6.6", "a b", "a\tb", "a#b", "a;b", "a\u{0}b", "a\r", "", "é", "a\u{85}b"]
        for text in injections {
            #expect(!DNSConfiguration.isAddress(text) && !DNSConfiguration.isAddress("10.0.0.1" + text) || text.isEmpty)
            #expect(!DNSConfiguration.isDomain(text) && !DNSConfiguration.isHostName(text))
            #expect(!DNSConfiguration.isOption(text))
        }
        for text in ["", "10.0.0", "10.0.0.256", "10.0.0.1/8", ":::", "fe80::1%eth0", "1", "0x7f.1", "10.0.0.1."] {
            #expect(!DNSConfiguration.isAddress(text), "\(text)")
        }
        for text in ["10.0.0.1", "::", "::ffff:10.0.0.1", "FE80::1"] { #expect(DNSConfiguration.isAddress(text)) }
        let long = String(repeating: "a", count: 63)
        let most = [long, long, long, String(repeating: "a", count: 61)].joined(separator: ".")
        for text in ["..", "a..b", ".a", "-a", "a-", "a.-b", long + "a", most + "a"] {
            #expect(!DNSConfiguration.isDomain(text), "\(text)")
        }
        for text in ["a", "a.", ".", "_dmarc.a-b.example", "1.2", long, most] {
            #expect(DNSConfiguration.isDomain(text), "\(text)")
        }
        for text in ["ndots:", ":1", "ndots:x", "ndots:1:2", "A", "ndots:123456", String(repeating: "a", count: 33)] {
            #expect(!DNSConfiguration.isOption(text), "\(text)")
        }
    }
}
