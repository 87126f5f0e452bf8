/// A network interface, as one moment's answer to RTM_GETLINK has it.
package struct Link: Sendable, Equatable {
    /// What identifies it within its namespace for life.
    package var index: LinkIndex
    package var name: String
    /// The kind it was created as, such as `veth`; nil for hardware and for loopback.
    package var kind: String?
    /// `ARPHRD_…`: 1 for Ethernet, 772 for loopback.
    package var hardwareType: UInt16
    package var flags: LinkFlags
    package var operationalState: OperationalState
    /// Whether the link layer is there; nil where the kernel does not say.
    package var hasCarrier: Bool?
    /// The most bytes of a packet.
    package var mtu: UInt32
    /// The Ethernet address; nil for what has none or an address of another kind.
    package var address: MACAddress?
    package var alias: String?
    /// The bridge or the like that it is a port of.
    package var master: LinkIndex?
    /// What it depends on: a veth's peer, a VLAN's parent. Of the namespace ``lowerNamespaceID``, if that is not nil.
    package var lower: LinkIndex?
    /// The id, in this link's namespace, of the one that ``lower`` is in, if it is another one.
    package var lowerNamespaceID: NamespaceID?
    /// The root queueing discipline's kind, such as `noqueue`.
    package var queueDiscipline: String?
    /// How many packets the queueing discipline holds by default.
    package var transmitQueueLength: UInt32
    /// The attributes of its kind, for those kinds that are made here.
    package var details: LinkDetails?
    /// Nil where the kernel does not say.
    package var statistics: LinkStatistics?

    package var isLoopback: Bool { flags.contains(.loopback) }
    package var isUp: Bool { flags.contains(.up) }
}

/// A link's number in its namespace (`ifindex`), from 1 on.
package typealias LinkIndex = Int32

/// A number by which one namespace knows another one (`nsid`), from 0 on.
package typealias NamespaceID = Int32

/// Flags of a link: `IFF_…` of netdevice(7).
package struct LinkFlags: OptionSet, Sendable, Hashable {
    package var rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Administratively up.
    package static let up = LinkFlags(rawValue: 1)
    package static let broadcast = LinkFlags(rawValue: 1 << 1)
    package static let loopback = LinkFlags(rawValue: 1 << 3)
    package static let pointToPoint = LinkFlags(rawValue: 1 << 4)
    /// Operationally up.
    package static let running = LinkFlags(rawValue: 1 << 6)
    package static let noARP = LinkFlags(rawValue: 1 << 7)
    package static let promiscuous = LinkFlags(rawValue: 1 << 8)
    package static let allMulticast = LinkFlags(rawValue: 1 << 9)
    package static let multicast = LinkFlags(rawValue: 1 << 12)
    /// The link layer is there.
    package static let lowerUp = LinkFlags(rawValue: 1 << 16)

    /// The names and their order are ip(8)'s, which shows the lack of `running` instead of it.
    private static let table: [(LinkFlags, String)] = [
        (.loopback, "LOOPBACK"), (.broadcast, "BROADCAST"), (.pointToPoint, "POINTOPOINT"), (.multicast, "MULTICAST"),
        (.noARP, "NOARP"), (.allMulticast, "ALLMULTI"), (.promiscuous, "PROMISC"),
        (LinkFlags(rawValue: 1 << 10), "MASTER"), (LinkFlags(rawValue: 1 << 11), "SLAVE"),
        (LinkFlags(rawValue: 1 << 2), "DEBUG"), (LinkFlags(rawValue: 1 << 15), "DYNAMIC"),
        (LinkFlags(rawValue: 1 << 14), "AUTOMEDIA"), (LinkFlags(rawValue: 1 << 13), "PORTSEL"),
        (LinkFlags(rawValue: 1 << 5), "NOTRAILERS"), (.up, "UP"), (.lowerUp, "LOWER_UP"),
        (LinkFlags(rawValue: 1 << 17), "DORMANT"), (LinkFlags(rawValue: 1 << 18), "ECHO"),
    ]

    /// As `ip -j link` lists them.
    package var names: [String] {
        var names = contains(.up) && !contains(.running) ? ["NO-CARRIER"] : []
        for (flag, name) in Self.table where contains(flag) { names.append(name) }
        return names
    }
}

/// A link's state by RFC 2863, as ip(8) names it: what `IF_OPER_…` of linux/if.h number.
package enum OperationalState: String, Sendable, Hashable, CaseIterable {
    case unknown
    case notPresent = "notpresent"
    case down
    case lowerLayerDown = "lowerlayerdown"
    case testing
    case dormant
    case up

    init(number: UInt8) {
        self = Self.allCases.indices.contains(Int(number)) ? Self.allCases[Int(number)] : .unknown
    }
}

/// The 64-bit counters of a link since its creation: `IFLA_STATS64`.
package struct LinkStatistics: Sendable, Hashable {
    package var receivedPackets: UInt64 = 0
    package var sentPackets: UInt64 = 0
    package var receivedBytes: UInt64 = 0
    package var sentBytes: UInt64 = 0
    package var receiveErrors: UInt64 = 0
    package var sendErrors: UInt64 = 0
    package var receiveDrops: UInt64 = 0
    package var sendDrops: UInt64 = 0
    /// Received by a group's address.
    package var multicast: UInt64 = 0
    package var collisions: UInt64 = 0

    /// All zeros.
    package init() {}
}

/// What a link of a kind has besides: `IFLA_INFO_DATA`.
package enum LinkDetails: Sendable, Equatable {
    case bridge(Bridge)
    case vlan(VLAN)
    case macvlan(MACVLANMode)
    case vxlan(VXLAN)
    case tun(Tun)
}

/// The attributes of a bridge.
package struct Bridge: Sendable, Equatable {
    /// Whether the spanning tree protocol runs.
    package var usesSTP: Bool
    /// Whether ports are separated by VLAN.
    package var filtersVLANs: Bool

    package init(usesSTP: Bool = false, filtersVLANs: Bool = false) {
        self.usesSTP = usesSTP
        self.filtersVLANs = filtersVLANs
    }
}

/// The attributes of a VLAN's link.
package struct VLAN: Sendable, Equatable {
    /// What tags the frames, by its EtherType.
    package enum Tag: UInt16, Sendable, CaseIterable {
        /// 802.1Q
        case customer = 0x8100
        /// 802.1ad
        case service = 0x88a8
    }

    /// 0 to 4094.
    package var id: UInt16
    /// Nil for an EtherType of neither standard.
    package var tag: Tag?

    package init(id: UInt16, tag: Tag? = .customer) {
        self.id = id
        self.tag = tag
    }
}

/// Which frames pass between the macvlan links of one parent.
package enum MACVLANMode: UInt32, Sendable, CaseIterable {
    case `private` = 1
    case vepa = 2
    case bridge = 4
    case passthru = 8
    case source = 16
}

/// The attributes of a VXLAN's link.
package struct VXLAN: Sendable, Equatable {
    /// The VNI, 24 bits.
    package var id: UInt32
    /// Where unknown destinations are sent: a host or a group.
    package var remote: IPAddress?
    package var local: IPAddress?
    /// The UDP port; IANA's is 4789.
    package var port: UInt16
    /// The link that it sends by, which a group's address needs.
    package var parent: LinkIndex?

    package init(
        id: UInt32, remote: IPAddress? = nil, local: IPAddress? = nil, port: UInt16 = 4789, parent: LinkIndex? = nil
    ) {
        self.id = id
        self.remote = remote
        self.local = local
        self.port = port
        self.parent = parent
    }
}

/// The attributes of a tun or tap device.
package struct Tun: Sendable, Equatable {
    /// What a program reads and writes there: IP packets or Ethernet frames.
    package enum Mode: String, Sendable, CaseIterable {
        case tun
        case tap
    }

    package var mode: Mode
    /// Who may open it besides a process with CAP_NET_ADMIN, by user id.
    package var owner: UInt32?
    /// The same, by group id.
    package var group: UInt32?
    package var hasSeveralQueues: Bool

    package init(mode: Mode, owner: UInt32? = nil, group: UInt32? = nil, hasSeveralQueues: Bool = false) {
        self.mode = mode
        self.owner = owner
        self.group = group
        self.hasSeveralQueues = hasSeveralQueues
    }
}
