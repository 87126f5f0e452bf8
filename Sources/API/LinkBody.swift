import JSONText
import NamespaceCore
import Netlink
import Wiring

/// What is asked for of a link, and how requests and answers call what the kernel has numbers for.
enum LinkBody {
    private static let kinds = ["veth", "bridge", "macvlan", "vlan", "vxlan", "tun", "ifb", "dummy"]
    /// The fields that belong to a kind.
    private static let details = [
        "veth": "peer", "bridge": "bridge", "macvlan": "macvlan", "vlan": "vlan",
        "vxlan": "vxlan", "tun": "tun",
    ]

    // MARK: - A new link

    static func order(_ body: [UInt8], depth: Int) throws(Problem) -> LinkOrder {
        let fields = try Fields(
            body: body, depth: depth,
            allowing: ["name", "kind", "fromHost", "up", "mtu", "mac", "alias", "master", "addresses"]
                + details.values.sorted())
        let hostName = try fields.linkName("fromHost")
        guard let name = try fields.linkName("name") ?? hostName else {
            throw fields.problem("name", "A link has a name: \(LinkName.rule).")
        }
        let kind = try fields.string("kind")
        if hostName != nil {
            guard kind == nil else { throw fields.problem("kind", "A link from the host is of a kind already.") }
        } else {
            guard let kind, kinds.contains(kind) else {
                throw fields.problem("kind", "The kind is one of \(kinds.joined(separator: ", ")).")
            }
        }
        for (other, field) in details.sorted(by: { $0.key < $1.key }) where other != kind && fields[field] != nil {
            throw fields.problem(field, "The field is for the kind \(other).")
        }
        var order: LinkOrder
        if let hostName {
            order = LinkOrder(name, .fromHost(hostName))
        } else {
            order = LinkOrder(name, try self.kind(kind ?? "", fields))
        }
        if case .veth(let peer) = order.kind, case .sameNamespace = peer.place, peer.name == name {
            throw fields.problem("peer.name", "Two links of one namespace have different names.")
        }
        order.isUp = try fields.flag("up")
        order.mtu = try fields.mtu().map { UInt32($0) }
        order.mac = try fields.mac("mac")
        order.alias = try alias(fields)
        order.master = try fields.linkName("master")
        order.addresses = try fields.prefixes("addresses") ?? []
        return order
    }

    private static func kind(_ kind: String, _ fields: Fields) throws(Problem) -> LinkOrder.Kind {
        switch kind {
        case "veth": return .veth(try peer(fields))
        case "bridge":
            let bridge = try fields.object("bridge", allowing: ["stp", "vlanFiltering"])
            return .bridge(
                Bridge(
                    usesSTP: try bridge?.flag("stp") ?? false, filtersVLANs: try bridge?.flag("vlanFiltering") ?? false)
            )
        case "macvlan": return try macvlan(fields)
        case "vlan": return try vlan(fields)
        case "vxlan": return try vxlan(fields)
        case "tun": return .tun(try tun(fields))
        case "ifb": return .ifb
        default: return .dummy
        }
    }

    private static func peer(_ fields: Fields) throws(Problem) -> LinkOrder.Peer {
        let known = ["namespace", "host", "name", "up", "mac", "addresses"]
        guard let peer = try fields.object("peer", allowing: known), let name = try peer.linkName("name") else {
            throw fields.problem("peer", "A veth has a peer, which has a name.")
        }
        var order = LinkOrder.Peer(name: name)
        order.isUp = try peer.flag("up")
        order.mac = try peer.mac("mac")
        order.addresses = try peer.prefixes("addresses") ?? []
        if let namespace = try peer.namespaceName("namespace") { order.place = .namespace(namespace) }
        if try peer.flag("host") {
            guard case .sameNamespace = order.place else {
                throw peer.problem("host", "The peer is in the host or in a namespace, not in both.")
            }
            order.place = .host
        }
        return order
    }

    private static func macvlan(_ fields: Fields) throws(Problem) -> LinkOrder.Kind {
        let macvlan = try fields.object("macvlan", allowing: ["parent", "mode"])
        guard let macvlan, let parent = try macvlan.linkName("parent") else {
            throw fields.problem("macvlan", "A macvlan has a parent, the link it stands on.")
        }
        guard let text = try macvlan.string("mode") else { return .macvlan(.bridge, parent: parent) }
        guard let mode = MACVLANMode.allCases.first(where: { name(of: $0) == text && $0 != .source }) else {
            throw macvlan.problem("mode", "The value is one of private, vepa, bridge, passthru.")
        }
        return .macvlan(mode, parent: parent)
    }

    private static func vlan(_ fields: Fields) throws(Problem) -> LinkOrder.Kind {
        let vlan = try fields.object("vlan", allowing: ["parent", "id", "protocol"])
        guard let vlan, let parent = try vlan.linkName("parent"), let id = try vlan.integer("id", in: 1...4094) else {
            throw fields.problem("vlan", "A vlan has a parent, the link it stands on, and an id from 1 to 4094.")
        }
        guard let text = try vlan.string("protocol") else { return .vlan(VLAN(id: UInt16(id)), parent: parent) }
        guard let tag = VLAN.Tag.allCases.first(where: { name(of: $0) == text }) else {
            throw vlan.problem("protocol", "The value is one of 802.1Q, 802.1ad.")
        }
        return .vlan(VLAN(id: UInt16(id), tag: tag), parent: parent)
    }

    private static func vxlan(_ fields: Fields) throws(Problem) -> LinkOrder.Kind {
        let vxlan = try fields.object("vxlan", allowing: ["id", "remote", "local", "port", "parent"])
        guard let vxlan, let id = try vxlan.integer("id", in: 0...0xff_ffff) else {
            throw fields.problem("vxlan", "A vxlan has an id from 0 to 16777215.")
        }
        let kind = VXLAN(
            id: UInt32(id), remote: try vxlan.address("remote"), local: try vxlan.address("local"),
            port: UInt16(try vxlan.integer("port", in: 1...65_535) ?? 4789))
        return .vxlan(kind, parent: try vxlan.linkName("parent"))
    }

    private static func tun(_ fields: Fields) throws(Problem) -> Tun {
        let tun = try fields.object("tun", allowing: ["mode", "owner", "group", "multiQueue"])
        guard let tun, let mode: Tun.Mode = try tun.choice("mode") else {
            throw fields.problem("tun", "A tun device has a mode, tun or tap.")
        }
        let ids: ClosedRange<Int64> = 0...0xffff_fffe
        return Tun(
            mode: mode, owner: try tun.integer("owner", in: ids).map { UInt32($0) },
            group: try tun.integer("group", in: ids).map { UInt32($0) }, hasSeveralQueues: try tun.flag("multiQueue"))
    }

    // MARK: - A change

    static func patch(_ body: [UInt8], depth: Int) throws(Problem) -> LinkPatch {
        let fields = try Fields(
            body: body, depth: depth, allowing: ["up", "mtu", "mac", "name", "alias", "master"])
        var patch = LinkPatch()
        patch.isUp = try fields.optionalFlag("up")
        patch.mtu = try fields.mtu().map { UInt32($0) }
        patch.mac = try fields.mac("mac")
        patch.name = try fields.linkName("name")
        patch.alias = try alias(fields)
        if fields["master"] == .null {
            patch.master = LinkPatch.Master.none
        } else {
            patch.master = try fields.linkName("master").map { .link($0) }
        }
        return patch
    }

    private static func alias(_ fields: Fields) throws(Problem) -> String? {
        guard let alias = try fields.string("alias") else { return nil }
        guard alias.utf8.count <= 255, alias.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw fields.problem("alias", "An alias has at most 255 bytes and no control characters.")
        }
        return alias
    }

    // MARK: - Names

    static func name(of tag: VLAN.Tag) -> String { tag == .customer ? "802.1Q" : "802.1ad" }

    /// As ip-link(8) calls it.
    static func name(of mode: MACVLANMode) -> String {
        switch mode {
        case .private: "private"
        case .vepa: "vepa"
        case .bridge: "bridge"
        case .passthru: "passthru"
        case .source: "source"
        }
    }
}
