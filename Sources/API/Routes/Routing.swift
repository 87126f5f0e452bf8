import JSONText
import NamespaceCore
import Netlink
import Wiring

extension Route {
    /// `/v1/namespaces/{name}/routes`
    static func routes(_ manager: NamespaceManager) -> Route {
        Entries(
            name: "routes",
            filters: ["table"],
            filter: { (query) throws(Problem) in try query.table() },
            list: { (table, name) async throws(NamespaceError) in try await manager.routes(in: name, table: table) },
            fields: [
                "destination", "family", "type", "gateway", "link", "source", "metric", "table", "scope", "hops",
            ],
            order: { (fields) throws(Problem) in try fields.routeOrder() },
            add: { (order, replacing, name, authority) async throws(NamespaceError) in
                try await manager.addRoute(order, replacing: replacing, in: name, by: authority)
            },
            selectors: ["destination", "family", "table", "metric", "type"],
            selector: { (query) throws(Problem) in try query.routeSelector() },
            remove: { (selector, name, authority) async throws(NamespaceError) in
                try await manager.removeRoute(selector, in: name, by: authority)
            },
            write: { (writer, route, link) in writer.members(of: route, name: link) }
        ).route
    }
}

private let destinationRule = "a network with its prefix length, such as 10.0.0.0/8, or default"

extension Query {
    /// The table that routes are in; the kernel's own, `local`, is one of them.
    fileprivate func table() throws(Problem) -> RouteTable? {
        try number("table", in: 1...UInt32.max).map { RouteTable(rawValue: $0) }
    }

    fileprivate func routeSelector() throws(Problem) -> RouteSelector {
        let family = try family()
        let destination = try parsed("destination", as: destinationRule) { text in
            text == "default" ? .all(family) : IPPrefix(text).flatMap { $0.isNetwork ? $0 : nil }
        }
        let type: RouteType? = try choice("type")
        return RouteSelector(
            destination: destination, table: try table() ?? .main,
            metric: try number("metric", in: 0...UInt32.max), type: type)
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
