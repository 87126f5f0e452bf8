import CNetlink
package import LinuxKit
import SystemPackage

/// A socket of rtnetlink(7) that hears what changes about the links, addresses and routes of namespaces.
///
/// While it is open the namespace that it was opened in lives on, with its links, also when nothing else refers to it:
/// one for a single namespace is to be closed, by letting go of it, before that is deleted. One that hears
/// of ``Reach/everyNamespaceWithID`` keeps alive the one that it was opened in alone, such as the host's, and none of
/// those that it hears of. One caller at a time; not Sendable.
// SAFETY: the buffer lives as long as this; what lends it is used before the next datagram is received.
@safe package final class LinkMonitor {
    /// Of which namespaces it hears.
    package enum Reach: Sendable {
        /// The one that the calling thread is in.
        case currentNamespace
        /// That one, and every one that has an id there (``Request/assignNamespaceID(to:)``); takes CAP_NET_BROADCAST
        /// over them.
        case everyNamespaceWithID
    }

    /// What changed.
    package enum Change: Sendable, Equatable {
        /// A link is new or different.
        case link(Link)
        case linkDeleted(Link)
        case address(InterfaceAddress)
        case addressDeleted(InterfaceAddress)
        case route(Route)
        case routeDeleted(Route)
        /// A namespace that had that id in the monitor's own is gone, and the id is free for another one. Nothing is heard
        /// of what was in it. For ``Reach/everyNamespaceWithID`` alone.
        case namespaceGone(NamespaceID)
    }

    /// A change, and where.
    package struct Event: Sendable, Equatable {
        /// The id of the namespace in the monitor's own; nil for that one.
        package let namespaceID: NamespaceID?
        package let change: Change
    }

    /// What was heard since the last time.
    package struct Reading: Sendable, Equatable {
        /// In the order of the changes.
        package var events: [Event] = []
        /// Whether there was more than the socket could hold: what is now must be read anew.
        package var lostSome = false
    }

    private let descriptor: OwnedDescriptor
    private let buffer: UnsafeMutableRawBufferPointer

    /// Opens a socket in the calling thread's network namespace, non-blocking and close-on-exec.
    ///
    /// - Throws: `.openNetlink`, `.hearNetlink`.
    package static func open(_ reach: Reach = .currentNamespace) throws(SystemError) -> LinkMonitor {
        let rawValue = cnetlink_open(CInt(CNETLINK_NONBLOCK))
        guard rawValue >= 0 else { throw SystemError(.openNetlink, errno: Errno(rawValue: -rawValue)) }
        let descriptor = OwnedDescriptor(owning: rawValue)
        try check(cnetlink_bind(rawValue))
        if reach == .everyNamespaceWithID {
            try check(cnetlink_hear_all_namespaces(rawValue))
            try check(cnetlink_join(rawValue, CInt(RTNLGRP_NSID.rawValue)))
        }
        for group in [
            RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
        ] {
            try check(cnetlink_join(rawValue, CInt(group.rawValue)))
        }
        return LinkMonitor(descriptor)
    }

    private static func check(_ result: CInt) throws(SystemError) {
        guard result == 0 else { throw SystemError(.hearNetlink, errno: Errno(rawValue: -result)) }
    }

    private init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
        unsafe buffer = .allocate(byteCount: Int(CNETLINK_BUFFER), alignment: 16)
    }

    deinit {
        unsafe buffer.deallocate()
    }

    /// For poll(2) and epoll(7): readable when something changed. Not to be closed, nor to be used after the monitor.
    package var pollDescriptor: CInt { descriptor.rawValue }

    /// What changed since the last time, without waiting, at most about `limit` events.
    ///
    /// - Throws: `.receiveNetlink`.
    package func read(limit: Int = 4096) throws(SystemError) -> Reading {
        var reading = Reading()
        while reading.events.count < limit {
            var id: CInt = -1
            let count = unsafe cnetlink_receive(descriptor.rawValue, buffer.baseAddress, buffer.count, &id)
            if count >= 0 {
                let messages = unsafe Messages(UnsafeRawBufferPointer(rebasing: buffer[..<Int(count)]))
                for message in messages {
                    guard let change = Self.change(in: message) else { continue }
                    reading.events.append(Event(namespaceID: id < 0 ? nil : id, change: change))
                }
                continue
            }
            switch Errno(rawValue: -count) {
            case .resourceTemporarilyUnavailable: return reading
            case .noBufferSpace: reading.lostSome = true
            case let errno: throw SystemError(.receiveNetlink, errno: errno)
            }
        }
        return reading
    }

    private static func change(in message: Message) -> Change? {
        switch Int(message.type) {
        case RTM_NEWLINK: LinkReader.link(in: message).map { .link($0) }
        case RTM_DELLINK: LinkReader.link(in: message).map { .linkDeleted($0) }
        case RTM_NEWADDR: AddressReader.address(in: message).map { .address($0) }
        case RTM_DELADDR: AddressReader.address(in: message).map { .addressDeleted($0) }
        case RTM_NEWROUTE: RouteReader.route(in: message).map { .route($0) }
        case RTM_DELROUTE: RouteReader.route(in: message).map { .routeDeleted($0) }
        case RTM_DELNSID: Self.namespaceID(in: message).map { .namespaceGone($0) }
        default: nil
        }
    }

    private static func namespaceID(in message: Message) -> NamespaceID? {
        message.attributes(after: rtgenmsg.self).first { $0.type == NETNSA_NSID }?.load()
    }
}
