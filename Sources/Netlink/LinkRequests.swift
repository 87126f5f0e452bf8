import CNetlink
package import LinuxKit

extension Request {
    /// Creates a link; ``NetlinkSocket/linkIndex(_:)`` then tells its index.
    ///
    /// Refused with `.fileExists` for a name that is taken, with `.notSupported` for a kind that the kernel lacks
    /// (``SystemError/lacksKind``), and by each kind for reasons of its own.
    package static func createLink(_ new: NewLink) throws(SystemError) -> Request {
        try createLink(new, peerNamespace: nil)
    }

    /// Creates a veth pair with its peer in another namespace, both at once.
    ///
    /// A descriptor that is of no network namespace is refused with `.invalidArgument`.
    package static func createLink(
        _ new: NewLink, peerIn namespace: borrowing OwnedDescriptor
    ) throws(SystemError) -> Request {
        try createLink(new, peerNamespace: namespace.rawValue)
    }

    private static func createLink(_ new: NewLink, peerNamespace: CInt?) throws(SystemError) -> Request {
        let request = try Request(.addLink, type: RTM_NEWLINK, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
        request.append(ifinfomsg(isUp: new.isUp))
        request.put(IFLA_IFNAME, text: new.name.text)
        request.put(mtu: new.mtu, address: new.address)
        if let master = new.master { request.put(IFLA_MASTER, master) }
        request.put(parentOf: new.kind)
        request.nest(IFLA_LINKINFO) {
            request.put(IFLA_INFO_KIND, text: new.kind.name)
            switch new.kind {
            case .ifb, .dummy: break
            default: request.nest(IFLA_INFO_DATA) { request.put(dataOf: new.kind, peerNamespace) }
            }
        }
        return request
    }

    /// Changes a link. What is given is done in the kernel's order, and what was done before a refusal stays.
    ///
    /// Refused with `ENODEV`, with `.fileExists` for a new name that is taken, and with `.notSupported` where a bridge
    /// cannot filter VLANs (`CONFIG_BRIDGE_VLAN_FILTERING`).
    package static func changeLink(_ index: LinkIndex, _ change: LinkChange) throws(SystemError) -> Request {
        let request = try Request(.changeLink, type: RTM_NEWLINK)
        request.append(ifinfomsg(index: index, isUp: change.isUp))
        if let name = change.name { request.put(IFLA_IFNAME, text: name.text) }
        request.put(mtu: change.mtu, address: change.address)
        switch change.master {
        case nil: break
        case .some(.none): request.put(IFLA_MASTER, LinkIndex(0))
        case .link(let master): request.put(IFLA_MASTER, master)
        }
        // Without the zero: an attribute of that alone would be an alias of one character, which is none.
        if let alias = change.alias { request.put(IFLA_IFALIAS, bytes: Array(alias.utf8)) }
        guard change.usesSTP != nil || change.filtersVLANs != nil else { return request }
        request.nest(IFLA_LINKINFO) {
            request.put(IFLA_INFO_KIND, text: "bridge")
            request.nest(IFLA_INFO_DATA) {
                request.put(stp: change.usesSTP, filtering: change.filtersVLANs)
            }
        }
        return request
    }

    /// Deletes a link, and a veth's peer with it. Refused with `ENODEV`, and with `.notSupported` for hardware.
    package static func deleteLink(_ index: LinkIndex) throws(SystemError) -> Request {
        let request = try Request(.deleteLink, type: RTM_DELLINK)
        request.append(ifinfomsg(index: index))
        return request
    }

    /// Moves a link into another namespace, under another name if one is given. It is down there, without addresses.
    ///
    /// Refused with `.fileExists` for a name that is taken there, and with `.invalidArgument` for loopback and bridges,
    /// which stay where they are. The kernel moves a link under the name that it has, where that is free, and renames it
    /// there: when it refuses the new name, the link is there already, under its old one.
    package static func moveLink(
        _ index: LinkIndex, into namespace: borrowing OwnedDescriptor, name: LinkName? = nil
    ) throws(SystemError) -> Request {
        let request = try Request(.moveLink, type: RTM_NEWLINK)
        request.append(ifinfomsg(index: index))
        request.put(IFLA_NET_NS_FD, namespace.rawValue)
        if let name { request.put(IFLA_IFNAME, text: name.text) }
        return request
    }

    /// Every link, without IPv6's own counters, which would be a fourth of it and which nothing here reads.
    static func dumpLinks() throws(SystemError) -> Request {
        let request = try Request(.listLinks, type: RTM_GETLINK, flags: NLM_F_DUMP)
        request.append(ifinfomsg())
        request.put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
        return request
    }

    static func showLink(named name: LinkName?, index: LinkIndex) throws(SystemError) -> Request {
        let request = try Request(.listLinks, type: RTM_GETLINK, flags: 0)
        request.append(ifinfomsg(index: index))
        if let name { request.put(IFLA_IFNAME, text: name.text) }
        request.put(IFLA_EXT_MASK, UInt32(RTEXT_FILTER_SKIP_STATS))
        return request
    }
}

extension Request {
    private func put(mtu: UInt32?, address: MACAddress?) {
        if let mtu { put(IFLA_MTU, mtu) }
        if let address { put(IFLA_ADDRESS, address) }
    }

    private func put(parentOf kind: NewLink.Kind) {
        switch kind {
        case .vlan(_, let parent), .macvlan(_, let parent): put(IFLA_LINK, parent)
        case .veth, .bridge, .vxlan, .ifb, .dummy: break
        }
    }

    private func put(dataOf kind: NewLink.Kind, _ peerNamespace: CInt?) {
        switch kind {
        case .veth(let peer): put(peer, in: peerNamespace)
        // A kernel without CONFIG_BRIDGE_VLAN_FILTERING refuses to be told so.
        case .bridge(let bridge): put(stp: bridge.usesSTP, filtering: bridge.filtersVLANs ? true : nil)
        case .vlan(let vlan, _):
            put(IFLA_VLAN_ID, vlan.id)
            put(IFLA_VLAN_PROTOCOL, (vlan.tag ?? .customer).rawValue.bigEndian)
        case .macvlan(let mode, _): put(IFLA_MACVLAN_MODE, mode.rawValue)
        case .vxlan(let vxlan): put(vxlan)
        case .ifb, .dummy: break
        }
    }

    private func put(_ peer: VethPeer, in namespace: CInt?) {
        nest(VETH_INFO_PEER) {
            append(ifinfomsg())
            if let name = peer.name { put(IFLA_IFNAME, text: name.text) }
            put(mtu: peer.mtu, address: peer.address)
            if let namespace { put(IFLA_NET_NS_FD, namespace) }
        }
    }

    private func put(stp: Bool?, filtering: Bool?) {
        if let stp { put(IFLA_BR_STP_STATE, UInt32(stp ? 1 : 0)) }
        if let filtering { put(IFLA_BR_VLAN_FILTERING, UInt8(filtering ? 1 : 0)) }
    }

    private func put(_ vxlan: VXLAN) {
        put(IFLA_VXLAN_ID, vxlan.id)
        put(IFLA_VXLAN_PORT, vxlan.port.bigEndian)
        if let remote = vxlan.remote { put(remote.family == .v4 ? IFLA_VXLAN_GROUP : IFLA_VXLAN_GROUP6, remote) }
        if let local = vxlan.local { put(local.family == .v4 ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, local) }
        if let parent = vxlan.parent { put(IFLA_VXLAN_LINK, parent) }
    }
}

extension ifinfomsg {
    /// The header of a link by index; 0 is none. Whether it is up stays as it is unless that is given.
    fileprivate init(index: LinkIndex = 0, isUp: Bool? = nil) {
        self.init()
        ifi_index = index
        guard let isUp else { return }
        ifi_flags = isUp ? LinkFlags.up.rawValue : 0
        ifi_change = LinkFlags.up.rawValue
    }
}
