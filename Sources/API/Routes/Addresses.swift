import JSONText
import NamespaceCore
import Netlink
import Wiring

extension Route {
    /// `/v1/namespaces/{name}/addresses`
    static func addresses(_ manager: NamespaceManager) -> Route {
        Entries(
            name: "addresses",
            filter: { (_) throws(Problem) in },
            list: { (_, name) async throws(NamespaceError) in try await manager.addresses(in: name) },
            fields: ["link", "address", "peer", "broadcast", "scope", "label"],
            order: { (fields) throws(Problem) in try fields.addressOrder() },
            add: { (order, replacing, name, authority) async throws(NamespaceError) in
                try await manager.addAddress(order, replacing: replacing, in: name, by: authority)
            },
            selectors: ["link", "address"],
            selector: { (query) throws(Problem) in
                let link = try query.linkName("link")
                return (link: link, address: try query.parsed("address", as: Fields.prefixRule) { IPPrefix($0) })
            },
            remove: { (it, name, authority) async throws(NamespaceError) in
                try await manager.removeAddress(it.address, from: it.link, in: name, by: authority)
            },
            write: { (writer, address, link) in writer.members(of: address, on: link(address.link)) }
        ).route
    }
}

extension Fields {
    fileprivate func addressOrder() throws(Problem) -> AddressOrder {
        let link = try requiredLinkName("link")
        guard let address = try prefix("address") else { throw problem("address", "The value is \(Self.prefixRule).") }
        var order = AddressOrder(link: link, address: address)
        order.peer = try self.address("peer")
        order.broadcast = try self.address("broadcast")
        if let broadcast = order.broadcast, broadcast.family != .v4 || address.family != .v4 {
            throw problem("broadcast", "Only IPv4 has broadcast addresses.")
        }
        if let peer = order.peer, peer.family != address.family {
            throw problem("peer", "The peer's address is of the same family.")
        }
        order.scope = try scope()
        order.label = try label()
        if order.label != nil, address.family != .v4 { throw problem("label", "Only IPv4 addresses have labels.") }
        return order
    }

    /// As long as a link's name, and with what that may not have: `eth0:1` is usual.
    private func label() throws(Problem) -> String? {
        guard let label = try string("label") else { return nil }
        guard (1...LinkName.maximumBytes).contains(label.utf8.count), label.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f })
        else { throw problem("label", "The value is 1 to 15 bytes without white space, such as eth0:1.") }
        return label
    }

    /// How far an address or a route reaches.
    func scope() throws(Problem) -> RouteScope? {
        switch try string("scope") {
        case nil: return nil
        case "global"?: return .global
        case "link"?: return .link
        case "host"?: return .host
        default: throw problem("scope", "The value is one of global, link, host.")
        }
    }
}

extension JSONWriter {
    /// An address, and the link that it is on.
    mutating func members(of address: InterfaceAddress, on link: String?) {
        member("link", link ?? "")
        member("address", address.address.description)
        member("family", address.address.family.rawValue)
        member("scope", address.scope.description)
        member("peer", address.peer?.description)
        member("broadcast", address.broadcast?.description)
        member("label", address.label)
        member("flags", address.flags.names)
    }
}
