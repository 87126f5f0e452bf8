/// Which link-layer address an address of a link has: RTM_NEWNEIGH, what ARP and neighbour discovery find out.
package struct Neighbour: Sendable, Equatable {
    package var link: LinkIndex
    package var address: IPAddress
    /// Nil while it is not known, and for a proxy's.
    package var mac: MACAddress?
    package var state: NeighbourState
    /// Answered for, on behalf of another link (`NTF_PROXY`).
    package var isProxy: Bool
    /// IPv6: known to be a router (`NTF_ROUTER`).
    package var isRouter: Bool

    package init(
        link: LinkIndex, address: IPAddress, mac: MACAddress? = nil, state: NeighbourState = .permanent,
        isProxy: Bool = false, isRouter: Bool = false
    ) {
        self.link = link
        self.address = address
        self.mac = mac
        self.state = state
        self.isProxy = isProxy
        self.isRouter = isRouter
    }
}

/// What the kernel knows of a neighbour: `NUD_…` of rtnetlink(7), named as ip(8) does.
package enum NeighbourState: String, Sendable, Hashable, CaseIterable {
    case none
    case incomplete
    case reachable
    case stale
    case delay
    case probe
    case failed
    case noARP = "noarp"
    case permanent

    /// One bit each, in this order.
    init(number: UInt16) {
        let bit = number == 0 ? 0 : number.trailingZeroBitCount + 1
        self = Self.allCases.indices.contains(bit) ? Self.allCases[bit] : .none
    }

    var number: UInt16 {
        let index = Self.allCases.firstIndex(of: self) ?? 0
        return index == 0 ? 0 : 1 << UInt16(index - 1)
    }
}
