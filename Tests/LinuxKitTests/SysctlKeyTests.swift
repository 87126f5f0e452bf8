import SystemPackage
import Testing

@testable import LinuxKit

@Suite("The keys of sysctls") struct SysctlKeyTests {
    @Test(
        "a key names a file below /proc/sys/net",
        arguments: [
            ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/5.forwarding", "/proc/sys/net/ipv4/conf/eth0.5/forwarding"),
            ("net.ipv4.conf./a.forwarding", "/proc/sys/net/ipv4/conf/.a/forwarding"),
            ("net.ipv4.conf.a//b.forwarding", "/proc/sys/net/ipv4/conf/a..b/forwarding"),
            ("net.ipv6.conf.é.mtu", "/proc/sys/net/ipv6/conf/é/mtu"),
        ]) func keys(text: String, path: String) throws
    {
        let key = try #require(SysctlKey(Array(text.utf8)))
        #expect(key.text == text)
        #expect(key.path.string == path)
        let names = path.split(separator: "/").dropFirst(2).map { Array($0.utf8) }
        #expect(SysctlKey(names: names) == key)
    }

    @Test(
        "what leads anywhere else is no key",
        arguments: [
            "", "net", "net.", ".net.a", "net..a", "net.a.", "kernel.hostname", "netx.a", "net/a.b", "net.//.kernel",
            "net././kernel", "net./.a", "net.//", "net./", "net.ipv4.//.//.kernel.hostname", "net.a\u{0}", "net.a b",
            "net.a\n", "net.a\u{7f}", "net.a\t",
        ]) func noKeys(text: String)
    {
        #expect(SysctlKey(Array(text.utf8)) == nil)
    }

    @Test("neither is what is not UTF-8, or too long") func noText() {
        #expect(SysctlKey(Array("net.ipv4.conf.".utf8) + [0xff] + Array(".mtu".utf8)) == nil)
        let key = "net." + String(repeating: "a", count: 251)
        #expect(SysctlKey(Array(key.utf8)) != nil)
        #expect(SysctlKey(Array((key + "a").utf8)) == nil)
    }
}
