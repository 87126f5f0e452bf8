/// A name that the kernel takes for a link: 1 to 15 bytes, by the rules of its `dev_valid_name` (net/core/dev.c).
package struct LinkName: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// `IFNAMSIZ` without the terminating zero.
    package static let maximumBytes = 15

    /// What a name must be, in words for a person.
    package static let rule = "1 to 15 bytes without / : % and white space, and neither . nor .."

    /// The name as given.
    package let text: String

    /// Nil for what the kernel would refuse, and for a `%`, which it would take for a template and choose a name by.
    package init?(_ text: String) {
        let bytes = text.utf8
        guard (1...Self.maximumBytes).contains(bytes.count), text != ".", text != ".." else { return nil }
        guard bytes.allSatisfy(Self.allows) else { return nil }
        self.text = text
    }

    /// isspace of the kernel is that of Latin-1, where 0xa0 is a space: also where it is a part of a letter in UTF-8.
    private static func allows(_ byte: UInt8) -> Bool {
        switch byte {
        case 0, UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "%"), UInt8(ascii: " "), 0xa0, 0x09...0x0d: false
        default: true
        }
    }

    package var description: String { text }

    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}
