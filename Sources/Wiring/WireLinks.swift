import LinuxKit
import NamespaceCore
import Netlink
import SystemPackage

/// What wires are to the kernel. Every function blocks, on the thread of a job that has the wire's namespaces open: that
/// of the end `a`, and that of `b` where it is another one.
enum WireLinks {
    /// Makes both links, up, with their addresses and impairments, or leaves nothing behind. Answers the wire with the
    /// links' indices.
    static func make(
        _ wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) -> Wire {
        let sockets = try Self.sockets(in: namespaces, on: &thread)
        let mtu = wire.mtu.map { UInt32($0) }
        let peer = VethPeer(name: wire.b.link, mtu: mtu, address: wire.b.originalMAC)
        let pair = NewLink(wire.a.link, .veth(peer: peer), isUp: true, mtu: mtu, address: wire.a.originalMAC)
        try sockets.a.perform(
            namespaces.count > 1
                ? .createLink(pair, peerIn: namespaces[1].descriptor) : .createLink(pair))
        do throws(SystemError) {
            var made = wire
            made.a.index = try furnish(wire.a, by: sockets.a)
            made.b.index = try furnish(wire.b, isPeer: true, by: sockets.b)
            return made
        } catch {
            try? delete(wire, in: namespaces, on: &thread)
            throw error
        }
    }

    /// - Throws: `.addLink` with `.fileExists` where another link has the name of one of them.
    static func checkNames(
        of wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) {
        let sockets = try Self.sockets(in: namespaces, on: &thread)
        guard try sockets.a.linkIndex(wire.a.link) == nil, try sockets.b.linkIndex(wire.b.link) == nil else {
            throw SystemError(.addLink, errno: .fileExists)
        }
    }

    private static func furnish(
        _ end: Wire.End, isPeer: Bool = false, by socket: NetlinkSocket
    ) throws(SystemError) -> LinkIndex {
        let index = try socket.index(of: end.link)
        // The kernel does not make a peer that is up: it does not know its other end yet (ENOTCONN).
        var requests = isPeer ? [try Request.changeLink(index, LinkChange(isUp: true))] : []
        for address in end.addresses {
            // Nobody else is on a wire who could have the same address, and nothing crosses it while that is found out.
            let flags: AddressFlags = address.family == .v6 ? .noDuplicateDetection : []
            requests.append(try .addAddress(InterfaceAddress(link: index, address: address, flags: flags)))
        }
        for result in try socket.perform(requests) { try result.get() }
        if !end.impairment.isNone { try socket.impair(index, Impairment(end.impairment)) }
        return index
    }

    /// Replaces what is done to the traffic of both directions.
    ///
    /// - Throws: `.findLink` with `.noSuchDevice` for a broken wire.
    static func impair(
        _ wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) {
        let sockets = try Self.sockets(in: namespaces, on: &thread)
        let links = try links(of: wire, by: sockets)
        guard let (a, b) = links.whole else { throw .missing(wire.a.link) }
        try sockets.a.impair(a.index, Impairment(wire.a.impairment))
        try sockets.b.impair(b.index, Impairment(wire.b.impairment))
    }

    static func state(
        of wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) -> WireStatus.State {
        let sockets = try Self.sockets(in: namespaces, on: &thread)
        return state(of: wire, try veth(of: wire.a, by: sockets.a), try veth(of: wire.b, by: sockets.b))
    }

    /// The same by what ``veth(of:by:)`` says of its ends.
    static func state(of wire: Wire, _ a: Link?, _ b: Link?) -> WireStatus.State {
        guard let (a, b) = Links(of: wire, a, b).whole, a.name == wire.a.link.text, b.name == wire.b.link.text else {
            return .broken
        }
        return a.isUp && b.isUp ? .up : .down
    }

    /// Whether neither link is there.
    static func areGone(
        _ wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) -> Bool {
        let links = try links(of: wire, by: try sockets(in: namespaces, on: &thread))
        return links.a == nil && links.b == nil
    }

    /// Deletes both links through one of them, whatever they are called by now.
    ///
    /// - Throws: `.findLink` with `.noSuchDevice` when none is there.
    static func delete(
        _ wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) {
        let sockets = try Self.sockets(in: namespaces, on: &thread)
        let links = try links(of: wire, by: sockets)
        if let a = links.a {
            // With one link goes the other.
            try sockets.a.perform(.deleteLink(a.index))
        } else if let b = links.b {
            try sockets.b.perform(.deleteLink(b.index))
        } else {
            throw .missing(wire.a.link)
        }
    }

    /// As ``delete(_:in:on:)``, through an end that is in one namespace, where the other one cannot be asked.
    static func delete(
        _ wire: Wire, in namespace: OpenNamespace, named name: NamespaceName, on thread: inout KernelThread
    ) throws(SystemError) {
        let socket = try namespace.socket(on: &thread)
        for end in [wire.a, wire.b] where end.namespace == name {
            guard let link = try veth(of: end, by: socket), link.address == end.originalMAC else { continue }
            return try socket.perform(.deleteLink(link.index))
        }
        throw .missing(wire.a.namespace == name ? wire.a.link : wire.b.link)
    }

    private static func sockets(
        in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) -> (a: NetlinkSocket, b: NetlinkSocket) {
        let a = try namespaces[0].socket(on: &thread)
        guard namespaces.count > 1 else { return (a, a) }
        return (a, try namespaces[1].socket(on: &thread))
    }
}

// MARK: - Which links are a wire's

extension WireLinks {
    /// The links of a wire that are there. One that has the name of one of them later, or by which an index came back, is
    /// not among them: it was not made with the MAC address, which somebody can have changed since, but not without the
    /// two of them seeing each other.
    private struct Links {
        let a: Link?
        let b: Link?
        /// Both, where they see each other.
        let whole: (a: Link, b: Link)?

        init(of wire: Wire, _ a: Link?, _ b: Link?) {
            let seeEachOther =
                if let a, let b { a.lower == b.index && b.lower == a.index } else { false }
            let areKnown = seeEachOther && wire.a.index != nil && wire.b.index != nil
            self.a = areKnown || a?.address == wire.a.originalMAC ? a : nil
            self.b = areKnown || b?.address == wire.b.originalMAC ? b : nil
            whole = if seeEachOther, let a = self.a, let b = self.b { (a, b) } else { nil }
        }
    }

    private static func links(
        of wire: Wire, by sockets: (a: NetlinkSocket, b: NetlinkSocket)
    ) throws(SystemError) -> Links {
        Links(of: wire, try veth(of: wire.a, by: sockets.a), try veth(of: wire.b, by: sockets.b))
    }

    /// The veth that has the end's index, or its name as long as that is not known; asked for in its namespace.
    static func veth(of end: Wire.End, by socket: NetlinkSocket) throws(SystemError) -> Link? {
        let link = if let index = end.index { try socket.link(index) } else { try socket.link(end.link) }
        return link?.kind == "veth" ? link : nil
    }
}

extension Impairment {
    fileprivate init(_ impairment: WireImpairment) {
        self.init()
        if let rate = impairment.rateBitsPerSecond {
            let bytesPerSecond = UInt64(max(1, rate / 8))
            // What goes in 10 ms, as a timer of the kernel's may be that late, and at least some packets.
            let burst =
                impairment.burstBytes.map { UInt32($0) } ?? UInt32(min(1 << 30, max(16_384, bytesPerSecond / 100)))
            self.rate = TokenBucket(bytesPerSecond: bytesPerSecond, burstBytes: burst, latencyMicroseconds: 50_000)
        }
        guard impairment.wantsEmulation else { return }
        emulation = NetworkEmulation(
            delayMicroseconds: UInt64(impairment.delayMicroseconds ?? 0),
            jitterMicroseconds: UInt64(impairment.jitterMicroseconds ?? 0), loss: (impairment.lossPercent ?? 0) / 100,
            duplicate: (impairment.duplicatePercent ?? 0) / 100, corrupt: (impairment.corruptPercent ?? 0) / 100,
            reorder: (impairment.reorderPercent ?? 0) / 100)
    }
}
