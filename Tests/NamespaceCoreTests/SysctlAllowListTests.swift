import LinuxKit
import Testing

@testable import NamespaceCore

@Suite("The sysctls that clients may read and set") struct SysctlAllowListTests {
    @Test(
        "a pattern matches whole keys, * being any characters",
        arguments: [
            ("net.ipv4.*", "net.ipv4.ip_forward", true), ("net.ipv4.*", "net.ipv4.conf.all.forwarding", true),
            ("net.ipv4.*", "net.ipv6.ip_forward", false), ("net.ipv4.ip_forward", "net.ipv4.ip_forward", true),
            ("net.ipv4.ip_forward", "net.ipv4.ip_forward_x", false),
            ("net.ipv4.ip_forward", "net.ipv4.ip_forwar", false),
            ("net.*.conf.*.forwarding", "net.ipv4.conf.eth0/5.forwarding", true),
            ("net.*.conf.*.forwarding", "net.ipv4.conf.all.mc_forwarding", false),
            ("net.*a*b*c", "net.aabbcc", true), ("net.*a*b*c", "net.aabbcx", false), ("net.*", "net.x", true),
            ("net.a**", "net.a", true), ("net.*ab", "net.aab", true), ("net.*ab", "net.abab", true),
        ]) func matching(pattern: String, key: String, isAllowed: Bool) throws
    {
        let list = try #require(SysctlAllowList(["net.other", pattern]))
        #expect(list.allows(try #require(SysctlKey(Array(key.utf8)))) == isAllowed)
    }

    @Test("what matches no key is no pattern", arguments: ["", "*", "net", "net.", "kernel.*", "net.a b", "net.a\n"])
    func noPatterns(text: String) {
        #expect(SysctlAllowList(["net.ipv4.*", text]) == nil)
    }

    @Test(
        "without configuration it is what namespaces have of their own",
        arguments: [
            ("net.ipv4.ip_forward", true), ("net.ipv6.conf.all.forwarding", true), ("net.core.somaxconn", true),
            ("net.core.rmem_max", false), ("net.nf_conntrack_max", false), ("net.core.bpf_jit_enable", false),
        ]) func standard(key: String, isAllowed: Bool) throws
    {
        #expect(SysctlAllowList.standard.allows(try #require(SysctlKey(Array(key.utf8)))) == isAllowed)
    }
}
