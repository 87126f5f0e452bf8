import CNetlink
package import LinuxKit
import SystemPackage

extension NetlinkSocket {
    /// The namespace's routes, of one table or of all, with the kernel's own in the table `local`.
    ///
    /// - Throws: `.listRoutes`.
    package func routes(
        family: IPAddress.Family? = nil, table: RouteTable? = nil
    ) throws(SystemError) -> [Route] {
        var routes: [Route] = []
        for family in family.map({ [$0] }) ?? IPAddress.Family.allCases {
            routes += try dumpRoutes(of: family, table)
        }
        return routes
    }

    private func dumpRoutes(of family: IPAddress.Family, _ table: RouteTable?) throws(SystemError) -> [Route] {
        let request = try Request(.listRoutes, type: RTM_GETROUTE, flags: NLM_F_DUMP)
        var header = rtmsg()
        header.rtm_family = family.number
        request.append(header)
        if let table { request.put(RTA_TABLE.rawValue, table.rawValue) }
        do throws(SystemError) {
            // A kernel without strict checking answers all tables.
            return try dump(request) { message in
                RouteReader.route(in: message).flatMap { table == nil || $0.table == table ? $0 : nil }
            }
        } catch {
            // A table without routes need not be there.
            if table != nil, error.errno == .noSuchFileOrDirectory { return [] }
            throw error
        }
    }
}

extension Request {
    /// Adds a route.
    ///
    /// Refused with `.fileExists` for a destination that the table has with that metric, unless it is `replacing` it;
    /// with `.networkUnreachable` for a gateway that no link reaches, and with `.networkDown` for a link that is down.
    package static func addRoute(_ route: Route, replacing: Bool = false) throws(SystemError) -> Request {
        let request = try Request(
            .addRoute, type: RTM_NEWROUTE,
            flags: NLM_F_ACK | NLM_F_CREATE | (replacing ? NLM_F_REPLACE : NLM_F_EXCL),
            bytes: 512 + 64 * route.hops.count)
        request.append(rtmsg(route))
        request.put(route.destination, route.table)
        if let gateway = route.gateway { request.put(gateway: gateway, of: route.family) }
        if let link = route.link { request.put(RTA_OIF.rawValue, link) }
        if let source = route.source { request.put(RTA_PREFSRC.rawValue, source) }
        if let metric = route.metric { request.put(RTA_PRIORITY.rawValue, metric) }
        if !route.hops.isEmpty { request.put(hops: route.hops, of: route.family) }
        return request
    }

    /// Deletes a route. Refused with `.noSuchProcess` (`ESRCH`) when there is none.
    package static func deleteRoute(_ selector: RouteSelector) throws(SystemError) -> Request {
        let request = try Request(.deleteRoute, type: RTM_DELROUTE)
        var header = rtmsg()
        header.rtm_family = selector.destination.family.number
        header.rtm_dst_len = UInt8(selector.destination.length)
        header.rtm_table = UInt8(exactly: selector.table.rawValue) ?? 0
        header.rtm_scope = RouteScope.nowhere.rawValue
        header.rtm_type = selector.type?.number ?? 0
        request.append(header)
        request.put(selector.destination, selector.table)
        if let metric = selector.metric { request.put(RTA_PRIORITY.rawValue, metric) }
        if let gateway = selector.gateway { request.put(gateway: gateway, of: selector.destination.family) }
        if let link = selector.link { request.put(RTA_OIF.rawValue, link) }
        return request
    }

    private func put(_ destination: IPPrefix, _ table: RouteTable) {
        if destination.length > 0 { put(RTA_DST.rawValue, destination.address) }
        put(RTA_TABLE.rawValue, table.rawValue)
    }

    /// A gateway of the other family is an attribute with that family in it (RTA_VIA, struct rtvia).
    private func put(gateway: IPAddress, of family: IPAddress.Family) {
        guard gateway.family != family else {
            put(RTA_GATEWAY.rawValue, gateway)
            return
        }
        let number = unsafe withUnsafeBytes(of: UInt16(gateway.family.number)) { unsafe Array($0) }
        put(RTA_VIA.rawValue, bytes: number + gateway.bytes)
    }

    /// Each hop is a struct rtnexthop, whose length counts the attributes behind it.
    private func put(hops: [NextHop], of family: IPAddress.Family) {
        nest(RTA_MULTIPATH.rawValue) {
            for hop in hops {
                var header = rtnexthop()
                header.rtnh_len = UInt16(MemoryLayout<rtnexthop>.size + hop.gatewayBytes(of: family))
                header.rtnh_flags = hop.isOnLink ? UInt8(RTNH_F_ONLINK) : 0
                header.rtnh_hops = UInt8(clamping: hop.weight - 1)
                header.rtnh_ifindex = hop.link ?? 0
                append(header)
                if let gateway = hop.gateway { put(gateway: gateway, of: family) }
            }
        }
    }
}

extension NextHop {
    /// How long the gateway's attribute is, with its padding.
    fileprivate func gatewayBytes(of family: IPAddress.Family) -> Int {
        guard let gateway else { return 0 }
        let payload = gateway.family.bits / 8 + (gateway.family == family ? 0 : 2)
        return (4 + payload + 3) & ~3
    }
}

extension rtmsg {
    fileprivate init(_ route: Route) {
        self.init()
        rtm_family = route.family.number
        rtm_dst_len = UInt8(route.destination.length)
        rtm_table = UInt8(exactly: route.table.rawValue) ?? 0
        rtm_protocol = route.protocol.rawValue
        rtm_scope = (route.scope ?? route.defaultScope).rawValue
        rtm_type = route.type.number
        rtm_flags = route.isOnLink ? UInt32(RTNH_F_ONLINK) : 0
    }
}

extension Route {
    /// As ip(8) chooses it.
    fileprivate var defaultScope: RouteScope {
        guard family == .v4 else { return .global }
        return switch type {
        case .local, .nat: .host
        case .broadcast, .multicast, .anycast: .link
        case .unicast, .unspecified: gateway == nil && hops.allSatisfy { $0.gateway == nil } ? .link : .global
        case .blackhole, .unreachable, .prohibit, .throw, .xresolve: .global
        }
    }
}

/// Makes a ``Route`` of what RTM_GETROUTE answers.
enum RouteReader {
    /// Nil for another message, a cached route, or one of another protocol.
    static func route(in message: Message) -> Route? {
        guard
            message.type == RTM_NEWROUTE || message.type == RTM_DELROUTE, let header = message.load(rtmsg.self),
            header.rtm_flags & UInt32(RTM_F_CLONED) == 0, let family = IPAddress.Family(number: header.rtm_family),
            let type = RouteType(number: header.rtm_type)
        else { return nil }
        var route = Route(
            destination: .all(family), type: type, table: RouteTable(rawValue: UInt32(header.rtm_table)),
            scope: RouteScope(rawValue: header.rtm_scope), protocol: RouteProtocol(rawValue: header.rtm_protocol),
            isOnLink: header.rtm_flags & UInt32(RTNH_F_ONLINK) != 0)
        route.isDead = header.rtm_flags & UInt32(RTNH_F_DEAD | RTNH_F_LINKDOWN) != 0
        for attribute in message.attributes(after: rtmsg.self) {
            if attribute.type == Int(RTA_DST.rawValue) {
                guard
                    let address = attribute.address,
                    let prefix = IPPrefix(address, length: Int(header.rtm_dst_len))
                else { return nil }
                route.destination = prefix
            } else {
                read(attribute, into: &route)
            }
        }
        return route
    }

    private static func read(_ attribute: Attribute, into route: inout Route) {
        switch rtattr_type_t(UInt32(attribute.type)) {
        case RTA_GATEWAY: route.gateway = attribute.address
        case RTA_VIA: route.gateway = attribute.slice(from: 2)?.address
        case RTA_OIF: route.link = attribute.load()
        case RTA_PREFSRC: route.source = attribute.address
        case RTA_PRIORITY: route.metric = attribute.load()
        case RTA_TABLE: route.table = attribute.load().map { RouteTable(rawValue: $0) } ?? route.table
        case RTA_MULTIPATH: route.hops = hops(in: attribute)
        default: break
        }
    }

    private static func hops(in attribute: Attribute) -> [NextHop] {
        var hops: [NextHop] = []
        var offset = 0
        let headerBytes = MemoryLayout<rtnexthop>.size
        while let header = attribute.load(rtnexthop.self, at: offset), Int(header.rtnh_len) >= headerBytes,
            let whole = attribute.slice(from: offset, count: Int(header.rtnh_len))
        {
            var hop = NextHop(
                link: header.rtnh_ifindex, weight: Int(header.rtnh_hops) + 1,
                isOnLink: CInt(header.rtnh_flags) & RTNH_F_ONLINK != 0)
            hop.isDead = CInt(header.rtnh_flags) & (RTNH_F_DEAD | RTNH_F_LINKDOWN) != 0
            for item in whole.nested(after: headerBytes) {
                switch rtattr_type_t(UInt32(item.type)) {
                case RTA_GATEWAY: hop.gateway = item.address
                case RTA_VIA: hop.gateway = item.slice(from: 2)?.address
                default: break
                }
            }
            hops.append(hop)
            offset += (Int(header.rtnh_len) + 3) & ~3
        }
        return hops
    }
}
