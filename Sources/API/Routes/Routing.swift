import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore
import Netlink
import Wiring

extension Route {
    /// `/v1/namespaces/{name}/routes`
    static func routes(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces/{name}/routes",
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

/// The tables that routes may be in; the kernel's own, `local`, is one of them.
private let tables: ClosedRange<UInt32> = 1...UInt32.max
private let destinationRule = "a network with its prefix length, such as 10.0.0.0/8, or default"

private func list(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["table"])
    let name = try call.namespaceName()
    let table = try query.number("table", in: tables).map { RouteTable(rawValue: $0) }
    do throws(NamespaceError) {
        let routes = try await manager.routes(in: name, table: table)
        return .json { writer in
            writer.key("routes")
            writer.array(of: routes.value) { (writer, route) in
                writer.object { $0.members(of: route) { routes.name($0) } }
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
        allowing: [
            "destination", "family", "type", "gateway", "link", "source", "metric", "table", "scope", "hops",
        ])
    let order = try fields.routeOrder()
    do throws(NamespaceError) {
        let route = try await manager.addRoute(order, replacing: replacing, in: name, by: call.authority)
        return .json(status: replacing ? .ok : .created) { $0.members(of: route.value) { route.name($0) } }
    } catch {
        throw Problem(error)
    }
}

private func remove(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["destination", "family", "table", "metric", "type"])
    let name = try call.namespaceName()
    let family = try query.family()
    let destination = try query.parsed("destination", as: destinationRule) { text in
        text == "default" ? .all(family) : IPPrefix(text).flatMap { $0.isNetwork ? $0 : nil }
    }
    let type: RouteType? = try query.choice("type")
    let selector = RouteSelector(
        destination: destination,
        table: try query.number("table", in: tables).map { RouteTable(rawValue: $0) } ?? .main,
        metric: try query.number("metric", in: 0...UInt32.max), type: type)
    do throws(NamespaceError) {
        try await manager.removeRoute(selector, in: name, by: call.authority)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}

extension Fields {
    fileprivate func routeOrder() throws(Problem) -> RouteOrder {
        let hops = try self.hops()
        let gateway = try address("gateway")
        let family: IPAddress.Family? = try choice("family")
        let destination: IPPrefix
        if try string("destination") == "default" {
            destination = .all(family ?? gateway?.family ?? hops?.lazy.compactMap(\.gateway).first?.family ?? .v4)
        } else {
            guard let prefix = try prefix("destination"), prefix.isNetwork else {
                throw problem("destination", "The value is \(destinationRule); bits behind the prefix are zero.")
            }
            guard family == nil || family == prefix.family else {
                throw problem("family", "The destination is of another family.")
            }
            destination = prefix
        }
        var order = RouteOrder(destination: destination)
        order.gateway = gateway
        order.link = try linkName("link")
        order.source = try address("source")
        order.metric = try integer("metric", in: 0...Int64(UInt32.max)).map { UInt32($0) }
        order.table = try integer("table", in: 1...Int64(UInt32.max)).map { RouteTable(rawValue: UInt32($0)) } ?? .main
        order.scope = try scope()
        order.type = try routeType() ?? .unicast
        if let hops {
            guard gateway == nil, order.link == nil else {
                throw problem("hops", "A route has hops, or one gateway and link.")
            }
            order.hops = hops
        }
        let leads = gateway != nil || order.link != nil || hops != nil
        guard leads == (order.type == .unicast) else {
            throw leads
                ? problem("type", "Only a unicast route leads anywhere.")
                : problem("gateway", "A unicast route has a gateway, a link or hops.")
        }
        return order
    }

    private func routeType() throws(Problem) -> RouteType? {
        guard let text = try string("type") else { return nil }
        let types = [RouteType.unicast, .blackhole, .unreachable, .prohibit]
        guard let type = types.first(where: { $0.rawValue == text }) else {
            throw problem("type", "The value is one of \(types.map(\.rawValue).joined(separator: ", ")).")
        }
        return type
    }

    private func hops() throws(Problem) -> [RouteOrder.Hop]? {
        guard let items = try array("hops", atMost: 64) else { return nil }
        guard !items.isEmpty else { throw problem("hops", "There is at least one hop.") }
        var hops: [RouteOrder.Hop] = []
        for (number, item) in items.enumerated() {
            let fields = try Fields(
                item, at: "hops.\(number)", inside: self, allowing: ["gateway", "link", "weight"])
            let hop = RouteOrder.Hop(
                gateway: try fields.address("gateway"), link: try fields.linkName("link"),
                weight: Int(try fields.integer("weight", in: 1...256) ?? 1))
            guard hop.gateway != nil || hop.link != nil else {
                throw problem("hops.\(number)", "A hop has a gateway or a link.")
            }
            hops.append(hop)
        }
        return hops
    }
}

extension JSONWriter {
    fileprivate mutating func members(of route: Netlink.Route, name: (LinkIndex?) -> String?) {
        let isDefault = route.destination == .all(route.family)
        member("destination", isDefault ? "default" : route.destination.description)
        member("family", route.family.rawValue)
        member("type", route.type.rawValue)
        member("gateway", route.gateway?.description)
        member("link", name(route.link))
        member("source", route.source?.description)
        member("metric", route.metric)
        member("table", route.table.rawValue)
        member("scope", (route.scope ?? .global).description)
        member("protocol", route.protocol.description)
        key("hops")
        array(of: route.hops) { (writer, hop) in
            writer.object { writer in
                writer.member("gateway", hop.gateway?.description)
                writer.member("link", name(hop.link))
                writer.member("weight", hop.weight)
            }
        }
    }
}
