import CNetlink

/// A route: RTM_NEWROUTE.
package struct Route: Sendable, Equatable {
    /// A network without host bits; ``IPPrefix/all(_:)`` for the default route. Its family is the route's.
    package var destination: IPPrefix
    package var type: RouteType
    /// The next hop, of either family where the kernel has it (`via inet6`, Linux 5.2).
    package var gateway: IPAddress?
    /// The link that it leads out of; nil for one with several ``hops`` or of a type that leads nowhere.
    package var link: LinkIndex?
    /// The address that packets get which have none yet.
    package var source: IPAddress?
    /// The lower, the better; nil for the family's default: 0, for IPv6 1024.
    package var metric: UInt32?
    package var table: RouteTable
    /// Nil for what ip(8) would choose: link without a gateway, else global.
    package var scope: RouteScope?
    package var `protocol`: RouteProtocol
    /// Several next hops, instead of ``gateway`` and ``link``.
    package var hops: [NextHop]
    /// The gateway is on the link though no prefix says so.
    package var isOnLink: Bool
    /// Its link is there but does not work, or is down.
    package var isDead: Bool

    package init(
        destination: IPPrefix, type: RouteType = .unicast, gateway: IPAddress? = nil, link: LinkIndex? = nil,
        source: IPAddress? = nil, metric: UInt32? = nil, table: RouteTable = .main, scope: RouteScope? = nil,
        protocol: RouteProtocol = .boot, hops: [NextHop] = [], isOnLink: Bool = false
    ) {
        self.destination = destination
        self.type = type
        self.gateway = gateway
        self.link = link
        self.source = source
        self.metric = metric
        self.table = table
        self.scope = scope
        self.protocol = `protocol`
        self.hops = hops
        self.isOnLink = isOnLink
        isDead = false
    }

    package var family: IPAddress.Family { destination.family }
}

/// One of several next hops.
package struct NextHop: Sendable, Equatable {
    package var gateway: IPAddress?
    package var link: LinkIndex?
    /// Its share of the flows, 1 to 256.
    package var weight: Int
    package var isOnLink: Bool
    package var isDead: Bool

    package init(gateway: IPAddress? = nil, link: LinkIndex? = nil, weight: Int = 1, isOnLink: Bool = false) {
        self.gateway = gateway
        self.link = link
        self.weight = weight
        self.isOnLink = isOnLink
        isDead = false
    }
}

/// Which route to delete: the first one that has everything that is given.
package struct RouteSelector: Sendable, Equatable {
    package var destination: IPPrefix
    package var table: RouteTable
    package var metric: UInt32?
    package var gateway: IPAddress?
    package var link: LinkIndex?
    package var type: RouteType?

    package init(
        destination: IPPrefix, table: RouteTable = .main, metric: UInt32? = nil, gateway: IPAddress? = nil,
        link: LinkIndex? = nil, type: RouteType? = nil
    ) {
        self.destination = destination
        self.table = table
        self.metric = metric
        self.gateway = gateway
        self.link = link
        self.type = type
    }
}

/// What becomes of a packet that a route takes: `RTN_…` of rtnetlink(7), named as ip(8) does.
package enum RouteType: String, Sendable, Hashable, CaseIterable {
    case unspecified = "none"
    case unicast
    case local
    case broadcast
    case anycast
    case multicast
    /// Dropped in silence.
    case blackhole
    /// Dropped, and the sender is told that there is no way (ICMP host unreachable).
    case unreachable
    /// Dropped, and the sender is told that it is forbidden.
    case prohibit
    /// The next table is asked.
    case `throw`
    case nat
    case xresolve

    /// Their order is the kernel's numbers'.
    init?(number: UInt8) {
        guard Self.allCases.indices.contains(Int(number)) else { return nil }
        self = Self.allCases[Int(number)]
    }

    var number: UInt8 { UInt8(Self.allCases.firstIndex(of: self) ?? 0) }
}

/// A routing table's number.
package struct RouteTable: RawRepresentable, Sendable, Hashable, Comparable {
    package var rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package static let `default` = RouteTable(rawValue: 253)
    package static let main = RouteTable(rawValue: 254)
    /// The kernel's own, for local and broadcast addresses.
    package static let local = RouteTable(rawValue: 255)

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// How far a destination or an address is: `RT_SCOPE_…` of rtnetlink(7).
package struct RouteScope: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    package var rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// By libnl's name, which is ip(8)'s, such as `link`, or by number; nil for another text.
    package init?(_ text: String) {
        let number = unsafe text.withCString { unsafe rtnl_str2scope($0) }
        guard let rawValue = UInt8(exactly: number) else { return nil }
        self.rawValue = rawValue
    }

    package static let global = RouteScope(rawValue: 0)
    package static let site = RouteScope(rawValue: 200)
    package static let link = RouteScope(rawValue: 253)
    package static let host = RouteScope(rawValue: 254)
    package static let nowhere = RouteScope(rawValue: 255)

    package var description: String {
        unsafe libraryText { unsafe rtnl_scope2str(CInt(rawValue), $0, $1) }
    }
}

/// Who made a route: `RTPROT_…` of rtnetlink(7).
package struct RouteProtocol: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
    package var rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// By libnl's name, which is ip(8)'s, such as `static`, or by number; nil for another text.
    package init?(_ text: String) {
        let number = unsafe text.withCString { unsafe rtnl_route_str2proto($0) }
        guard let rawValue = UInt8(exactly: number) else { return nil }
        self.rawValue = rawValue
    }

    package static let unspecified = RouteProtocol(rawValue: 0)
    package static let redirect = RouteProtocol(rawValue: 1)
    package static let kernel = RouteProtocol(rawValue: 2)
    package static let boot = RouteProtocol(rawValue: 3)
    package static let `static` = RouteProtocol(rawValue: 4)

    package var description: String {
        unsafe libraryText { unsafe rtnl_route_proto2str(CInt(rawValue), $0, $1) }
    }
}

/// What libnl writes of a number into a buffer.
private func libraryText(_ write: (UnsafeMutablePointer<CChar>?, Int) -> UnsafeMutablePointer<CChar>?) -> String {
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
        guard let text = unsafe write(buffer.baseAddress, buffer.count) else { return "" }
        return unsafe String(cString: text)
    }
}
