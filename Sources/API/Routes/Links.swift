import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore
import Netlink
import Wiring

extension Route {
    /// `/v1/namespaces/{name}/links`
    static func links(_ manager: NamespaceManager, _ host: HostLinks) -> Route {
        Route(
            "/v1/namespaces/{name}/links",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await list(call, manager) }),
                (
                    .post, .change,
                    .awaiting { (call, body) async throws(Problem) in try await create(call, body, manager, host) }
                ),
            ])
    }

    /// `/v1/namespaces/{name}/links/{link}`
    static func link(_ manager: NamespaceManager, _ host: HostLinks) -> Route {
        Route(
            "/v1/namespaces/{name}/links/{link}",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await get(call, manager) }),
                (
                    .patch, .change,
                    .patching { (call, body) async throws(Problem) in try await patch(call, body, manager) }
                ),
                (
                    .delete, .change,
                    .awaiting { (call, _) async throws(Problem) in try await delete(call, manager, host) }
                ),
            ])
    }
}

private func list(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        let links = try await manager.links(in: name)
        return .json { writer in
            writer.key("links")
            writer.array(of: links) { (writer, link) in writer.object { $0.members(of: link) } }
        }
    } catch {
        throw Problem(error)
    }
}

private func create(
    _ call: Call, _ body: [UInt8], _ manager: NamespaceManager, _ host: HostLinks
) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    let order = try LinkBody.order(body, depth: call.admission.limits.jsonDepth)
    do throws(NamespaceError) {
        let link: LinkView
        if case .fromHost(let hostName) = order.kind {
            link = try await host.borrow(hostName, as: order, into: name, by: call.authority)
        } else {
            link = try await manager.createLink(order, in: name, by: call.authority)
        }
        var response = Response.json(status: .created) { $0.members(of: link) }
        response.headerFields[.location] = "/v1/namespaces/\(name.pathSegment)/links/\(link.link.pathSegment)"
        return response
    } catch {
        throw Problem(error)
    }
}

private func get(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let (name, link) = (try call.namespaceName(), try call.linkName())
    do throws(NamespaceError) {
        let link = try await manager.link(link, in: name)
        return .json { $0.members(of: link) }
    } catch {
        throw Problem(error)
    }
}

private func patch(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let (name, link) = (try call.namespaceName(), try call.linkName())
    guard !body.isEmpty else { throw Problem(.malformedJSON, "A patch has a body; {} changes nothing.") }
    let patch = try LinkBody.patch(body, depth: call.admission.limits.jsonDepth)
    do throws(NamespaceError) {
        let link = try await manager.changeLink(link, patch, in: name, by: call.authority)
        return .json { $0.members(of: link) }
    } catch {
        throw Problem(error)
    }
}

private func delete(_ call: Call, _ manager: NamespaceManager, _ host: HostLinks) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let (name, link) = (try call.namespaceName(), try call.linkName())
    do throws(NamespaceError) {
        if try await !host.giveBack(link, from: name, by: call.authority) {
            try await manager.deleteLink(link, in: name, by: call.authority)
        }
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}

extension Call {
    /// The link in the path.
    fileprivate func linkName() throws(Problem) -> LinkName {
        guard let text = String(validating: item, as: UTF8.self), let name = LinkName(text) else {
            throw Problem(.invalidName, "The link in the path is \(LinkName.rule).")
        }
        return name
    }
}

extension Link {
    /// The name as a URL path segment.
    fileprivate var pathSegment: String {
        NamespaceName(bytes: Array(name.utf8))?.pathSegment ?? name
    }
}

// MARK: - What is in answers

extension JSONWriter {
    fileprivate mutating func members(of view: LinkView) {
        let link = view.link
        member("name", link.name)
        member("index", link.index)
        member("kind", link.isLoopback ? "loopback" : link.kind)
        member("state", link.operationalState.rawValue)
        member("up", link.isUp)
        member("carrier", link.hasCarrier)
        member("mtu", link.mtu)
        member("mac", link.address?.description)
        member("alias", link.alias)
        member("flags", link.flags.names)
        member("master", view.master)
        key("peer")
        if let peer = view.peer {
            object { writer in
                writer.member("index", peer.index)
                writer.member("namespace", peer.namespace?.description)
                writer.member("link", peer.link)
                writer.member("host", peer.isInHost)
            }
        } else {
            null()
        }
        member("qdisc", link.queueDiscipline)
        key("statistics")
        if let statistics = link.statistics { object { $0.members(of: statistics) } } else { null() }
        key("addresses")
        array(of: view.addresses.value) { (writer, address) in
            writer.object { $0.members(of: address, on: view.addresses.name(address.link)) }
        }
        if let details = link.details { members(of: details) }
    }

    private mutating func members(of statistics: LinkStatistics) {
        member("rxBytes", statistics.receivedBytes)
        member("rxPackets", statistics.receivedPackets)
        member("rxErrors", statistics.receiveErrors)
        member("rxDropped", statistics.receiveDrops)
        member("txBytes", statistics.sentBytes)
        member("txPackets", statistics.sentPackets)
        member("txErrors", statistics.sendErrors)
        member("txDropped", statistics.sendDrops)
        member("multicast", statistics.multicast)
        member("collisions", statistics.collisions)
    }

    private mutating func members(of details: LinkDetails) {
        switch details {
        case .bridge(let bridge):
            member("bridge") { writer in
                writer.member("stp", bridge.usesSTP)
                writer.member("vlanFiltering", bridge.filtersVLANs)
            }
        case .vlan(let vlan):
            member("vlan") { writer in
                writer.member("id", vlan.id)
                writer.member("protocol", vlan.tag.map(LinkBody.name(of:)))
            }
        case .macvlan(let mode):
            member("macvlan") { $0.member("mode", LinkBody.name(of: mode)) }
        case .vxlan(let vxlan):
            member("vxlan") { writer in
                writer.member("id", vxlan.id)
                writer.member("remote", vxlan.remote?.description)
                writer.member("local", vxlan.local?.description)
                writer.member("port", vxlan.port)
            }
        case .tun(let tun):
            member("tun") { writer in
                writer.member("mode", tun.mode.rawValue)
                writer.member("owner", tun.owner)
                writer.member("group", tun.group)
                writer.member("multiQueue", tun.hasSeveralQueues)
            }
        }
    }
}
