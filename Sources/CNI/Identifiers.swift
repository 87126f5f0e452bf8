/// What the specification and the kernel allow as names.
package enum Identifiers {
    /// Whether it can be a network's name or a container's id: `^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`.
    package static func isIdentifier(_ text: String) -> Bool {
        guard let first = text.utf8.first, isAlphanumeric(first) else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
    }

    /// Whether it can be an interface's name: 1 to 15 visible ASCII characters without `/`, `:` and `%`, and neither `.`
    /// nor `..` (dev_valid_name in net/core/dev.c; `%` would be a template).
    package static func isInterfaceName(_ text: String) -> Bool {
        (1...15).contains(text.utf8.count) && text != "." && text != ".."
            && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && !"/:%".utf8.contains($0) }
    }

    /// Whether it can be a key or a value of `CNI_ARGS`, which has no escapes.
    package static func isArgument(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f && $0 != ";" && $0 != "=" }
    }

    /// Whether it can be a plugin's type, which is a file's name.
    static func isPluginType(_ text: String) -> Bool {
        !text.isEmpty && text != "." && text != ".." && !text.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
