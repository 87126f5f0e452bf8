import Glibc

/// An IPv4 or IPv6 address. IPv4 is before IPv6, and within a family the numbers decide.
package struct IPAddress: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The protocol: `inet` and `inet6` as ip(8) calls them.
    package enum Family: String, Sendable, Hashable, CaseIterable {
        case v4 = "inet"
        case v6 = "inet6"

        /// How many bits an address has.
        package var bits: Int { self == .v4 ? 32 : 128 }

        /// `AF_INET` or `AF_INET6`.
        var number: UInt8 { UInt8(self == .v4 ? AF_INET : AF_INET6) }

        init?(number: UInt8) {
            switch CInt(number) {
            case AF_INET: self = .v4
            case AF_INET6: self = .v6
            default: return nil
            }
        }
    }

    package let family: Family
    /// The address as a number, an IPv4 address in the lowest 32 bits.
    package let value: UInt128

    /// The address with a number, of which bits above the family's are dropped.
    package init(_ family: Family, value: UInt128) {
        self.family = family
        self.value = family == .v4 ? value & 0xffff_ffff : value
    }

    /// An address in network byte order: four bytes or sixteen.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        family = bytes.count == 4 ? .v4 : .v6
        value = bytes.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// What inet_pton(3) takes: no leading zeros in IPv4, no zone, no prefix length, no white space.
    package init?(_ text: String) {
        // The C string would end at a zero.
        guard text.utf8.count < Int(INET6_ADDRSTRLEN), !text.utf8.contains(0) else { return nil }
        let family: Family = text.utf8.contains(UInt8(ascii: ":")) ? .v6 : .v4
        let bytes = unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { buffer -> [UInt8]? in
            let isAddress = unsafe text.withCString { unsafe inet_pton(CInt(family.number), $0, buffer.baseAddress) }
            return isAddress == 1 ? unsafe Array(buffer[..<(family.bits / 8)]) : nil
        }
        guard let bytes else { return nil }
        self.init(bytes: bytes)
    }

    /// All zeros: 0.0.0.0 or ::.
    package static func unspecified(_ family: Family) -> IPAddress { IPAddress(family, value: 0) }

    /// In network byte order.
    package var bytes: [UInt8] {
        let count = family.bits / 8
        return (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt128(8 * (count - 1 - $0))) }
    }

    /// Whether it names a group: 224.0.0.0/4 or ff00::/8.
    package var isMulticast: Bool { family == .v4 ? value >> 28 == 0xe : value >> 120 == 0xff }

    /// Whether it is valid on one link alone: fe80::/10.
    package var isLinkLocal: Bool { family == .v6 && value >> 118 == 0xfe80 >> 6 }

    package var isUnspecified: Bool { value == 0 }

    /// As inet_ntop(3) writes it, for IPv6 the form of RFC 5952.
    package var description: String {
        let bytes = bytes
        let capacity = Int(INET6_ADDRSTRLEN)
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { text in
            unsafe text.initialize(repeating: 0)
            // It fails for an unknown family and for too small a buffer alone.
            guard
                let start = text.baseAddress,
                unsafe inet_ntop(CInt(family.number), bytes, start, socklen_t(capacity)) != nil
            else { return "" }
            return unsafe String(cString: start)
        }
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.family == right.family ? left.value < right.value : left.family == .v4
    }
}
