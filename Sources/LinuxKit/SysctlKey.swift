import SystemPackage

/// The key of a sysctl of network namespaces as sysctl(8) writes it, such as `net.ipv4.conf.eth0/5.forwarding`: the path
/// of a file below `/proc/sys`, with a dot for each slash and a slash for each dot.
package struct SysctlKey: Sendable, Hashable, CustomStringConvertible {
    private static let root: FilePath = "/proc/sys"
    private static let longest = 255

    /// As sysctl(8) writes it.
    package let text: String

    package var description: String { text }

    /// What a key must be, in words for a person.
    package static let rule = """
        A key begins with net. and is made of the names below /proc/sys with dots between, a dot in a name written as a \
        slash: net.ipv4.conf.eth0/5.forwarding.
        """

    /// nil unless it is a key: what it names need not exist, but is below `/proc/sys/net` whatever the key.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count <= Self.longest, bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7f }),
            let text = String(validating: bytes, as: UTF8.self)
        else { return nil }
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        // The names . and .. are written as / and //.
        let areNames = parts.allSatisfy { !$0.isEmpty && !$0.elementsEqual("/".utf8) && !$0.elementsEqual("//".utf8) }
        guard parts.count > 1, parts[0].elementsEqual("net".utf8), areNames else { return nil }
        self.text = text
    }

    /// The key of a file.
    ///
    /// - Parameter names: Those below `/proc/sys`.
    init?(names: [[UInt8]]) {
        self.init(Array(names.map(Self.swapped).joined(separator: [UInt8(ascii: ".")])))
    }

    /// The file that has the value.
    var path: FilePath { Self.root.entry(Self.swapped(Array(text.utf8))) }

    private static func swapped(_ bytes: [UInt8]) -> [UInt8] {
        bytes.map { byte in
            switch byte {
            case UInt8(ascii: "."): UInt8(ascii: "/")
            case UInt8(ascii: "/"): UInt8(ascii: ".")
            default: byte
            }
        }
    }
}

extension SysctlKey: Comparable {
    /// Byte order.
    package static func < (left: SysctlKey, right: SysctlKey) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}
