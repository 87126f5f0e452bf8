/// An address of a link: RTM_NEWADDR.
package struct InterfaceAddress: Sendable, Equatable {
    package var link: LinkIndex
    /// The link's own address, and the prefix of its network, or of the peer if there is one.
    package var address: IPPrefix
    /// The address at the other end of a point-to-point link.
    package var peer: IPAddress?
    /// IPv4 only.
    package var broadcast: IPAddress?
    package var scope: RouteScope
    /// IPv4 only: the link's name, alone or followed by a colon and more; ``Link/name`` by default.
    package var label: String?
    package var flags: AddressFlags
    /// In seconds; nil for ever.
    package var validLifetime: UInt32?
    /// In seconds; nil for ever.
    package var preferredLifetime: UInt32?

    package init(
        link: LinkIndex, address: IPPrefix, peer: IPAddress? = nil, broadcast: IPAddress? = nil,
        scope: RouteScope = .global, label: String? = nil, flags: AddressFlags = [], validLifetime: UInt32? = nil,
        preferredLifetime: UInt32? = nil
    ) {
        self.link = link
        self.address = address
        self.peer = peer
        self.broadcast = broadcast
        self.scope = scope
        self.label = label
        self.flags = flags
        self.validLifetime = validLifetime
        self.preferredLifetime = preferredLifetime
    }
}

/// Flags of an address: `IFA_F_…` of rtnetlink(7).
package struct AddressFlags: OptionSet, Sendable, Hashable {
    package var rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// IPv4: not the network's first one. IPv6: made for privacy (RFC 8981).
    package static let secondary = AddressFlags(rawValue: 1)
    /// IPv6: not checked for duplicates.
    package static let noDuplicateDetection = AddressFlags(rawValue: 1 << 1)
    package static let optimistic = AddressFlags(rawValue: 1 << 2)
    /// IPv6: another host has it too.
    package static let duplicate = AddressFlags(rawValue: 1 << 3)
    package static let home = AddressFlags(rawValue: 1 << 4)
    package static let deprecated = AddressFlags(rawValue: 1 << 5)
    /// IPv6: being checked for duplicates, and not usable before.
    package static let tentative = AddressFlags(rawValue: 1 << 6)
    package static let permanent = AddressFlags(rawValue: 1 << 7)
    package static let managesTemporary = AddressFlags(rawValue: 1 << 8)
    /// Without the route to the network that an address brings with it.
    package static let noPrefixRoute = AddressFlags(rawValue: 1 << 9)
    package static let joinsGroup = AddressFlags(rawValue: 1 << 10)
    package static let stablePrivacy = AddressFlags(rawValue: 1 << 11)

    private static let table: [(AddressFlags, String)] = [
        (.secondary, "secondary"), (.noDuplicateDetection, "nodad"), (.optimistic, "optimistic"),
        (.duplicate, "dadfailed"), (.home, "home"), (.deprecated, "deprecated"), (.tentative, "tentative"),
        (.permanent, "permanent"), (.managesTemporary, "mngtmpaddr"), (.noPrefixRoute, "noprefixroute"),
        (.joinsGroup, "autojoin"), (.stablePrivacy, "stable-privacy"),
    ]

    /// As ip(8) calls them.
    package var names: [String] { Self.table.filter { contains($0.0) }.map(\.1) }
}
