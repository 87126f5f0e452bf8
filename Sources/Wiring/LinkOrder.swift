package import NamespaceCore
package import Netlink

/// A link that there is to be, with others by name.
package struct LinkOrder: Sendable {
    /// The other end of a veth.
    package struct Peer: Sendable {
        /// Where a peer is.
        package enum Place: Sendable {
            case sameNamespace
            case namespace(NamespaceName)
            /// The namespace that the daemon runs in.
            case host
        }

        package let name: LinkName
        package var place = Place.sameNamespace
        package var isUp = false
        package var mac: MACAddress?
        package var addresses: [IPPrefix] = []

        package init(name: LinkName) { self.name = name }
    }

    package enum Kind: Sendable {
        case veth(Peer)
        case bridge(Bridge)
        case vlan(VLAN, parent: LinkName)
        case macvlan(MACVLANMode, parent: LinkName)
        case vxlan(VXLAN, parent: LinkName?)
        case tun(Tun)
        case ifb
        case dummy
        /// One of the namespace that the daemon runs in, which is moved.
        case fromHost(LinkName)
    }

    package let name: LinkName
    package let kind: Kind
    package var isUp = false
    package var mtu: UInt32?
    package var mac: MACAddress?
    package var alias: String?
    package var master: LinkName?
    package var addresses: [IPPrefix] = []

    package init(_ name: LinkName, _ kind: Kind) {
        self.name = name
        self.kind = kind
    }

    /// The namespace of a veth's peer, where it is another one with a name.
    var peerNamespace: NamespaceName? {
        if case .veth(let peer) = kind, case .namespace(let name) = peer.place { name } else { nil }
    }

    /// Whether it reaches into the namespace that the daemon runs in.
    var touchesHost: Bool {
        if case .veth(let peer) = kind, case .host = peer.place { true } else { false }
    }
}

/// What is to be different about a link, with others by name; nil leaves as it is.
package struct LinkPatch: Sendable {
    package enum Master: Sendable {
        case none
        case link(LinkName)
    }

    package var isUp: Bool?
    package var mtu: UInt32?
    package var mac: MACAddress?
    package var name: LinkName?
    package var alias: String?
    package var master: Master?

    package init() {}
}

/// A link with what belongs to it.
package struct LinkView: Sendable {
    /// The other end of a veth, or what a vlan or macvlan stands on.
    package struct Peer: Sendable {
        package let index: LinkIndex
        /// nil where the daemon knows no name for its namespace.
        package let namespace: NamespaceName?
        package let link: String?
        package let isInHost: Bool
    }

    package let link: Link
    package let master: String?
    package let peer: Peer?
    package let addresses: Named<[InterfaceAddress]>
}
