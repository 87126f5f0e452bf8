package import LinuxKit

/// Which sysctls clients may read and set: those whose keys one of the patterns matches, `*` being any run of characters.
package struct SysctlAllowList: Sendable {
    private let patterns: [[UInt8]]

    /// What namespaces have of their own. The kernel has none of the host's other settings in them.
    package static let standard = SysctlAllowList(known: [
        "net.ipv4.*", "net.ipv6.*", "net.core.somaxconn", "net.core.optmem_max", "net.core.txrehash",
        "net.core.xfrm_*", "net.unix.*", "net.netfilter.*", "net.bridge.*", "net.mpls.*", "net.mptcp.*", "net.sctp.*",
    ])

    /// nil unless each is a pattern: a key in which `*` may stand, beginning with `net.`.
    package init?(_ patterns: [String]) {
        for pattern in patterns {
            let isPlain = pattern.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7f }
            guard pattern.hasPrefix("net."), pattern.utf8.count > 4, isPlain else { return nil }
        }
        self.init(known: patterns)
    }

    private init(known patterns: [String]) {
        self.patterns = patterns.map { Array($0.utf8) }
    }

    /// Whether the key is among them.
    package func allows(_ key: SysctlKey) -> Bool {
        let key = Array(key.text.utf8)
        return patterns.contains { Self.matches(key, $0) }
    }

    /// Takes the last `*` back by one character whenever it gets stuck: no other can be the one that was wrong.
    private static func matches(_ text: [UInt8], _ pattern: [UInt8]) -> Bool {
        var (inText, inPattern) = (0, 0)
        var star: (inText: Int, inPattern: Int)?
        while inText < text.count {
            if inPattern < pattern.count, pattern[inPattern] == UInt8(ascii: "*") {
                star = (inText, inPattern + 1)
                inPattern += 1
            } else if inPattern < pattern.count, pattern[inPattern] == text[inText] {
                inText += 1
                inPattern += 1
            } else if let last = star {
                star = (last.inText + 1, last.inPattern)
                (inText, inPattern) = (last.inText + 1, last.inPattern)
            } else {
                return false
            }
        }
        return pattern[inPattern...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
