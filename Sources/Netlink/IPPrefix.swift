/// An address with the length of its network's prefix, such as `10.0.0.1/24`: of an interface with its host bits, or of
/// a network without them.
package struct IPPrefix: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let address: IPAddress
    /// How many leading bits are the network's.
    package let length: Int

    /// Nil for a length that the family does not have.
    package init?(_ address: IPAddress, length: Int) {
        guard (0...address.family.bits).contains(length) else { return nil }
        self.address = address
        self.length = length
    }

    /// The one address, with a prefix of all its bits.
    package init(_ address: IPAddress) {
        self.address = address
        length = address.family.bits
    }

    /// An address, a slash and a length without leading zeros; without them the prefix has all the address's bits.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        guard parts.count == 2 else {
            self.init(address)
            return
        }
        let digits = parts[1].utf8
        guard
            (1...3).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }),
            digits.count == 1 || digits.first != 0x30, let length = Int(parts[1])
        else { return nil }
        self.init(address, length: length)
    }

    /// Every address of the family: 0.0.0.0/0 or ::/0, the destination of a default route.
    package static func all(_ family: IPAddress.Family) -> IPPrefix {
        IPPrefix(IPAddress.unspecified(family), uncheckedLength: 0)
    }

    private init(_ address: IPAddress, uncheckedLength: Int) {
        self.address = address
        length = uncheckedLength
    }

    package var family: IPAddress.Family { address.family }

    /// The network, with the host bits cleared.
    package var network: IPPrefix {
        let hostBits = family.bits - length
        let mask: UInt128 = hostBits == 128 ? 0 : ~0 << UInt128(hostBits)
        return IPPrefix(IPAddress(family, value: address.value & mask), uncheckedLength: length)
    }

    /// Whether there are no host bits, as a route's destination must have it.
    package var isNetwork: Bool { network == self }

    /// Whether an address is of the network.
    package func contains(_ other: IPAddress) -> Bool {
        other.family == family && IPPrefix(other, uncheckedLength: length).network == network
    }

    package var description: String { "\(address)/\(length)" }

    package static func < (left: Self, right: Self) -> Bool {
        left.address == right.address ? left.length < right.length : left.address < right.address
    }
}
