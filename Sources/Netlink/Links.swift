import CNetlink
package import LinuxKit
import SystemPackage

extension NetlinkSocket {
    /// The namespace's links, by index.
    ///
    /// - Throws: `.listLinks`.
    package func links() throws(SystemError) -> [Link] {
        try dump(.dumpLinks()) { LinkReader.link(in: $0) }
    }

    /// One link by name, or nil.
    ///
    /// - Throws: `.listLinks`.
    package func link(_ name: LinkName) throws(SystemError) -> Link? {
        try link(named: name, index: 0)
    }

    /// One link by index, or nil.
    ///
    /// - Throws: `.listLinks`.
    package func link(_ index: LinkIndex) throws(SystemError) -> Link? {
        try link(named: nil, index: index)
    }

    private func link(named name: LinkName?, index: LinkIndex) throws(SystemError) -> Link? {
        do throws(SystemError) {
            return try ask(.showLink(named: name, index: index)) { LinkReader.link(in: $0) }
        } catch {
            if error.errno == .noSuchDevice { return nil }
            throw error
        }
    }

    /// A link's index by name, or nil: the cheapest question there is.
    ///
    /// - Throws: `.findLink`.
    package func linkIndex(_ name: LinkName) throws(SystemError) -> LinkIndex? {
        let index = unsafe name.text.withCString { unsafe cnetlink_index(descriptor.rawValue, $0) }
        if index > 0 { return index }
        let errno = Errno(rawValue: -index)
        if errno == .noSuchDevice { return nil }
        throw SystemError(.findLink, errno: errno)
    }
}

/// Makes a ``Link`` of what RTM_GETLINK answers.
enum LinkReader {
    /// Nil for another message, such as a port's of a bridge.
    static func link(in message: Message) -> Link? {
        guard
            message.type == RTM_NEWLINK || message.type == RTM_DELLINK, let header = message.load(ifinfomsg.self),
            header.ifi_family == 0
        else { return nil }
        var link = Link(header)
        for attribute in message.attributes(after: ifinfomsg.self) {
            read(attribute, into: &link)
        }
        return link
    }

    private static func read(_ attribute: Attribute, into link: inout Link) {
        switch attribute.type {
        case IFLA_IFNAME: link.name = attribute.text
        case IFLA_MTU: link.mtu = attribute.load() ?? 0
        case IFLA_ADDRESS: link.address = attribute.mac
        case IFLA_IFALIAS: link.alias = attribute.text
        case IFLA_MASTER: link.master = attribute.load()
        case IFLA_LINK: link.lower = attribute.load().flatMap { (index: LinkIndex) in index == 0 ? nil : index }
        case IFLA_LINK_NETNSID: link.lowerNamespaceID = attribute.load()
        case IFLA_OPERSTATE: link.operationalState = OperationalState(number: attribute.load() ?? 0)
        case IFLA_CARRIER: link.hasCarrier = attribute.load(UInt8.self).map { $0 != 0 }
        case IFLA_QDISC: link.queueDiscipline = attribute.text
        case IFLA_TXQLEN: link.transmitQueueLength = attribute.load() ?? 0
        case IFLA_STATS64: link.statistics = statistics(attribute)
        case IFLA_LINKINFO: readInformation(attribute, into: &link)
        default: break
        }
    }

    /// The first ten of rtnl_link_stats64, in its order; what later kernels add is behind them.
    private static func statistics(_ attribute: Attribute) -> LinkStatistics? {
        guard attribute.count >= 10 * MemoryLayout<UInt64>.size else { return nil }
        var statistics = LinkStatistics()
        statistics.receivedPackets = attribute.load(at: 0) ?? 0
        statistics.sentPackets = attribute.load(at: 8) ?? 0
        statistics.receivedBytes = attribute.load(at: 16) ?? 0
        statistics.sentBytes = attribute.load(at: 24) ?? 0
        statistics.receiveErrors = attribute.load(at: 32) ?? 0
        statistics.sendErrors = attribute.load(at: 40) ?? 0
        statistics.receiveDrops = attribute.load(at: 48) ?? 0
        statistics.sendDrops = attribute.load(at: 56) ?? 0
        statistics.multicast = attribute.load(at: 64) ?? 0
        statistics.collisions = attribute.load(at: 72) ?? 0
        return statistics
    }

    private static func readInformation(_ information: Attribute, into link: inout Link) {
        var kind: String?
        for attribute in information.nested() {
            switch attribute.type {
            case IFLA_INFO_KIND: kind = attribute.text
            // The kernel puts it after the kind.
            case IFLA_INFO_DATA: link.details = kind.flatMap { details(of: $0, attribute.nested()) }
            default: break
            }
        }
        link.kind = kind
    }

    private static func details(of kind: String, _ attributes: Attributes) -> LinkDetails? {
        switch kind {
        case "bridge": .bridge(Bridge(attributes))
        case "vlan": .vlan(VLAN(attributes))
        case "macvlan", "macvtap": macvlanMode(attributes).map { .macvlan($0) }
        case "vxlan": .vxlan(VXLAN(attributes))
        case "tun": .tun(Tun(attributes))
        default: nil
        }
    }

    private static func macvlanMode(_ attributes: Attributes) -> MACVLANMode? {
        attributes.first { $0.type == IFLA_MACVLAN_MODE }?.load(UInt32.self).flatMap { MACVLANMode(rawValue: $0) }
    }
}

extension Link {
    fileprivate init(_ header: ifinfomsg) {
        index = header.ifi_index
        name = ""
        hardwareType = header.ifi_type
        flags = LinkFlags(rawValue: header.ifi_flags)
        operationalState = .unknown
        mtu = 0
        transmitQueueLength = 0
    }
}

extension Bridge {
    fileprivate init(_ attributes: Attributes) {
        self.init()
        for attribute in attributes {
            switch attribute.type {
            case IFLA_BR_STP_STATE: usesSTP = attribute.load(UInt32.self) ?? 0 != 0
            case IFLA_BR_VLAN_FILTERING: filtersVLANs = attribute.load(UInt8.self) ?? 0 != 0
            default: break
            }
        }
    }
}

extension VLAN {
    fileprivate init(_ attributes: Attributes) {
        self.init(id: 0)
        for attribute in attributes {
            switch attribute.type {
            case IFLA_VLAN_ID: id = attribute.load() ?? 0
            case IFLA_VLAN_PROTOCOL: tag = attribute.load(UInt16.self).flatMap { Tag(rawValue: UInt16(bigEndian: $0)) }
            default: break
            }
        }
    }
}

extension VXLAN {
    fileprivate init(_ attributes: Attributes) {
        self.init(id: 0)
        for attribute in attributes {
            switch attribute.type {
            case IFLA_VXLAN_ID: id = attribute.load() ?? 0
            case IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6: remote = attribute.address
            case IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6: local = attribute.address
            case IFLA_VXLAN_PORT: port = UInt16(bigEndian: attribute.load() ?? 0)
            case IFLA_VXLAN_LINK: parent = attribute.load()
            default: break
            }
        }
    }
}

extension Tun {
    fileprivate init(_ attributes: Attributes) {
        self.init(mode: .tun)
        for attribute in attributes {
            switch attribute.type {
            case IFLA_TUN_TYPE: mode = attribute.load(UInt8.self) == UInt8(IFF_TAP) ? .tap : .tun
            case IFLA_TUN_OWNER: owner = attribute.load()
            case IFLA_TUN_GROUP: group = attribute.load()
            case IFLA_TUN_MULTI_QUEUE: hasSeveralQueues = attribute.load(UInt8.self) ?? 0 != 0
            default: break
            }
        }
    }
}
