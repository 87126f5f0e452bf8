import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore
import Netlink
import Wiring

extension Route {
    /// `/v1/namespaces/{name}/addresses`
    static func addresses(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces/{name}/addresses",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await list(call, manager) }),
                (
                    .post, .change,
                    .awaiting { (call, body) async throws(Problem) in
                        try await add(call, body, manager, replacing: false)
                    }
                ),
                (
                    .put, .change,
                    .awaiting { (call, body) async throws(Problem) in
                        try await add(call, body, manager, replacing: true)
                    }
                ),
                (.delete, .change, .awaiting { (call, _) async throws(Problem) in try await remove(call, manager) }),
            ])
    }
}

private func list(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        let addresses = try await manager.addresses(in: name)
        return .json { writer in
            writer.key("addresses")
            writer.array(of: addresses.value) { (writer, address) in
                writer.object { $0.members(of: address, on: addresses.name(address.link)) }
            }
        }
    } catch {
        throw Problem(error)
    }
}

private func add(
    _ call: Call, _ body: [UInt8], _ manager: NamespaceManager, replacing: Bool
) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    let fields = try Fields(
        body: body, depth: call.admission.limits.jsonDepth,
        allowing: ["link", "address", "peer", "broadcast", "scope", "label"])
    let order = try fields.addressOrder()
    do throws(NamespaceError) {
        let address = try await manager.addAddress(order, replacing: replacing, in: name, by: call.authority)
        return .json(status: replacing ? .ok : .created) {
            $0.members(of: address.value, on: address.name(address.value.link))
        }
    } catch {
        throw Problem(error)
    }
}

private func remove(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["link", "address"])
    let name = try call.namespaceName()
    let link = try query.linkName("link")
    let address = try query.parsed("address", as: Fields.prefixRule) { IPPrefix($0) }
    do throws(NamespaceError) {
        try await manager.removeAddress(address, from: link, in: name, by: call.authority)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}

extension Fields {
    fileprivate func addressOrder() throws(Problem) -> AddressOrder {
        guard let link = try linkName("link") else { throw problem("link", "The value is \(LinkName.rule).") }
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
