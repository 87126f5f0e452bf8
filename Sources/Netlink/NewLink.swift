/// A link that is to be: what one RTM_NEWLINK says.
package struct NewLink: Sendable, Equatable {
    /// The kinds that can be made by a message; a tun device is made by ``TunDevice``.
    package enum Kind: Sendable, Equatable {
        case veth(peer: VethPeer)
        case bridge(Bridge)
        case vlan(VLAN, parent: LinkIndex)
        case macvlan(MACVLANMode, parent: LinkIndex)
        /// Its parent is ``VXLAN/parent``.
        case vxlan(VXLAN)
        case ifb
        case dummy

        /// As the kernel calls it (`IFLA_INFO_KIND`).
        package var name: String {
            switch self {
            case .veth: "veth"
            case .bridge: "bridge"
            case .vlan: "vlan"
            case .macvlan: "macvlan"
            case .vxlan: "vxlan"
            case .ifb: "ifb"
            case .dummy: "dummy"
            }
        }
    }

    package var name: LinkName
    package var kind: Kind
    package var isUp: Bool
    /// Nil for the kind's own.
    package var mtu: UInt32?
    /// Nil for a random one.
    package var address: MACAddress?
    /// The bridge or the like that it becomes a port of.
    package var master: LinkIndex?

    package init(
        _ name: LinkName, _ kind: Kind, isUp: Bool = false, mtu: UInt32? = nil, address: MACAddress? = nil,
        master: LinkIndex? = nil
    ) {
        self.name = name
        self.kind = kind
        self.isUp = isUp
        self.mtu = mtu
        self.address = address
        self.master = master
    }
}

/// The other end of a veth pair that is to be. It is down and nobody's port: the kernel cannot raise it before the pair is
/// whole (ENOTCONN), so that is a change of its own, by a socket of the namespace that it is in.
package struct VethPeer: Sendable, Equatable {
    /// Nil for the first free `vethN`.
    package var name: LinkName?
    /// Nil for the kind's own: the first end's is not passed on.
    package var mtu: UInt32?
    /// Nil for a random one.
    package var address: MACAddress?

    package init(name: LinkName? = nil, mtu: UInt32? = nil, address: MACAddress? = nil) {
        self.name = name
        self.mtu = mtu
        self.address = address
    }
}

/// What is to be different about a link; nil leaves as it is.
package struct LinkChange: Sendable, Equatable {
    /// Whose port it is to be.
    package enum Master: Sendable, Equatable {
        case none
        case link(LinkIndex)
    }

    package var isUp: Bool?
    package var mtu: UInt32?
    package var address: MACAddress?
    package var name: LinkName?
    package var master: Master?
    /// At most 255 bytes; empty takes it away.
    package var alias: String?
    /// Of a bridge: whether the spanning tree protocol runs.
    package var usesSTP: Bool?
    /// Of a bridge: whether ports are separated by VLAN.
    package var filtersVLANs: Bool?

    package init(
        isUp: Bool? = nil, mtu: UInt32? = nil, address: MACAddress? = nil, name: LinkName? = nil,
        master: Master? = nil, alias: String? = nil, usesSTP: Bool? = nil, filtersVLANs: Bool? = nil
    ) {
        self.isUp = isUp
        self.mtu = mtu
        self.address = address
        self.name = name
        self.master = master
        self.alias = alias
        self.usesSTP = usesSTP
        self.filtersVLANs = filtersVLANs
    }
}
