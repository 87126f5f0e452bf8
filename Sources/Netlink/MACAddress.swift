/// An Ethernet address: six bytes.
package struct MACAddress: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The address in the lower 48 bits, its first byte the highest.
    package let value: UInt64

    /// The address of six bytes; nil for another number of them.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 6 else { return nil }
        value = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Six pairs of hexadecimal digits with colons between them, nothing else.
    package init?(_ text: String) {
        var value: UInt64 = 0
        var position = 0
        for byte in text.utf8 {
            if position % 3 == 2 {
                guard byte == UInt8(ascii: ":") else { return nil }
            } else {
                guard let digit = Self.digit(byte) else { return nil }
                value = value << 4 | digit
            }
            position += 1
        }
        guard position == 17 else { return nil }
        self.value = value
    }

    /// One that nobody else has, but by a chance of one in 2^46: unicast, and of those that nobody assigns (IEEE 802).
    package static func random() -> MACAddress {
        MACAddress(value: UInt64.random(in: 0..<(1 << 48)) & ~(1 << 40) | 1 << 41)
    }

    private init(value: UInt64) { self.value = value }

    /// The six bytes, in the order in which they are sent.
    package var bytes: [UInt8] { (0..<6).map { UInt8(truncatingIfNeeded: value >> UInt64(40 - 8 * $0)) } }

    /// Whether a link can have it: not of a group (the first byte's lowest bit), and not all zeros.
    package var isUnicast: Bool { value & (1 << 40) == 0 && value != 0 }

    package var description: String {
        unsafe String(unsafeUninitializedCapacity: 17) { text in
            for index in 0..<17 {
                let nibble = UInt8(truncatingIfNeeded: value >> UInt64(44 - 4 * (index - index / 3)) & 15)
                unsafe text[index] = index % 3 == 2 ? UInt8(ascii: ":") : Self.text(nibble)
            }
            return 17
        }
    }

    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    private static func text(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10
    }
}
