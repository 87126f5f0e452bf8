import JSONText
import NamespaceCore
import Netlink
import Wiring

extension Route {
    /// `/v1/namespaces/{name}/neighbours`
    static func neighbours(_ manager: NamespaceManager) -> Route {
        Entries(
            name: "neighbours",
            filter: { (_) throws(Problem) in },
            list: { (_, name) async throws(NamespaceError) in try await manager.neighbours(in: name) },
            fields: ["link", "address", "mac", "state"],
            order: { (fields) throws(Problem) in try fields.neighbourOrder() },
            add: { (order, replacing, name, authority) async throws(NamespaceError) in
                try await manager.addNeighbour(
                    order.address, mac: order.mac, state: order.state, on: order.link, replacing: replacing, in: name,
                    by: authority)
            },
            selectors: ["link", "address"],
            selector: { (query) throws(Problem) in
                let link = try query.linkName("link")
                return (link: link, address: try query.parsed("address", as: addressRule) { IPAddress($0) })
            },
            remove: { (it, name, authority) async throws(NamespaceError) in
                try await manager.removeNeighbour(it.address, on: it.link, in: name, by: authority)
            },
            write: { (writer, neighbour, link) in writer.members(of: neighbour, on: link(neighbour.link)) }
        ).route
    }
}

private let addressRule = "an IP address such as 10.0.0.2 or fd00::2"

/// A neighbour that a link is to have.
private struct NeighbourOrder {
    let link: LinkName
    let address: IPAddress
    let mac: MACAddress
    let state: NeighbourState
}

extension Fields {
    fileprivate func neighbourOrder() throws(Problem) -> NeighbourOrder {
        let link = try requiredLinkName("link")
        guard let address = try address("address") else { throw problem("address", "The value is \(addressRule).") }
        guard let mac = try mac("mac") else { throw problem("mac", "A neighbour has a MAC address.") }
        return NeighbourOrder(link: link, address: address, mac: mac, state: try neighbourState() ?? .permanent)
    }

    private func neighbourState() throws(Problem) -> NeighbourState? {
        guard let text = try string("state") else { return nil }
        let states = [NeighbourState.permanent, .reachable, .stale, .noARP]
        guard let state = states.first(where: { $0.rawValue == text }) else {
            throw problem("state", "The value is one of \(states.map(\.rawValue).joined(separator: ", ")).")
        }
        return state
    }
}

extension JSONWriter {
    fileprivate mutating func members(of neighbour: Neighbour, on link: String?) {
        member("link", link ?? "")
        member("address", neighbour.address.description)
        member("family", neighbour.address.family.rawValue)
        member("mac", neighbour.mac?.description)
        member("state", neighbour.state.rawValue)
    }
}
