import LinuxKit
package import NamespaceCore
package import Netlink

/// A route that there is to be, with its links by name.
package struct RouteOrder: Sendable {
    /// One of several next hops.
    package struct Hop: Sendable {
        package let gateway: IPAddress?
        package let link: LinkName?
        package let weight: Int

        package init(gateway: IPAddress?, link: LinkName?, weight: Int) {
            self.gateway = gateway
            self.link = link
            self.weight = weight
        }
    }

    package let destination: IPPrefix
    package var type = RouteType.unicast
    package var gateway: IPAddress?
    package var link: LinkName?
    package var source: IPAddress?
    package var metric: UInt32?
    package var table = RouteTable.main
    package var scope: RouteScope?
    package var hops: [Hop] = []

    package init(destination: IPPrefix) { self.destination = destination }

    func route(by socket: NetlinkSocket) throws(SystemError) -> Netlink.Route {
        var hops: [NextHop] = []
        for hop in self.hops {
            hops.append(
                NextHop(gateway: hop.gateway, link: try hop.link.map(socket.index(of:)), weight: hop.weight))
        }
        return Netlink.Route(
            destination: destination, type: type, gateway: gateway, link: try link.map(socket.index(of:)),
            source: source, metric: metric, table: table, scope: scope, protocol: .static, hops: hops)
    }
}

extension NamespaceManager {
    /// The routes of one table, or of all but the kernel's own.
    package func routes(
        in name: NamespaceName, table: RouteTable? = nil
    ) async throws(NamespaceError) -> Named<[Netlink.Route]> {
        try await inside(name, to: nil) { (socket) throws(SystemError) in
            let routes = try socket.routes(table: table).filter { table != nil || $0.table != .local }
            return Named(routes, links: try socket.linkNames())
        }
    }

    /// Adds a route, and answers what the kernel made of it.
    ///
    /// - Parameter replacing: Whether it takes the place of the one to the same destination.
    /// - Throws: `.linkNotFound`, `.entryTaken`, and what the kernel has against it.
    package func addRoute(
        _ order: RouteOrder, replacing: Bool = false, in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> Named<Netlink.Route> {
        try await inside(name, to: .change, by: authority) { (socket) throws(SystemError) in
            let route = try order.route(by: socket)
            try socket.perform(.addRoute(route, replacing: replacing))
            let made = try socket.routes(family: route.family, table: route.table).first { found in
                found.destination == route.destination && found.type == route.type
                    && (route.metric == nil || found.metric == route.metric)
                    && (route.gateway == nil || found.gateway == route.gateway)
            }
            return Named(made ?? route, links: try socket.linkNames())
        }
    }

    /// Removes the first route that fits.
    ///
    /// - Throws: `.entryNotFound`.
    package func removeRoute(
        _ selector: RouteSelector, in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) {
        try await inside(name, to: .change, by: authority) { (socket) throws(SystemError) in
            try socket.perform(.deleteRoute(selector))
        }
    }
}
