import LinuxKit
import NamespaceCore
import Netlink
import SystemPackage

/// What wires are to the kernel. Every function blocks, on the thread of a job that has the wire's namespaces open: that
/// of the end `a`, and that of `b` where it is another one.
enum WireLinks {
    /// Makes both links, up, with their addresses and impairments, or leaves nothing behind.
    static func make(
        _ wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) {
        let sockets = try Self.sockets(in: namespaces, on: &thread)
        let mtu = wire.mtu.map { UInt32($0) }
        let peer = VethPeer(name: wire.b.link, mtu: mtu, address: wire.b.mac)
        let pair = NewLink(wire.a.link, .veth(peer: peer), isUp: true, mtu: mtu, address: wire.a.mac)
        try sockets.a.perform(
            namespaces.count > 1
                ? .createLink(pair, peerIn: namespaces[1].descriptor) : .createLink(pair))
        do throws(SystemError) {
            try furnish(wire.a, by: sockets.a)
            try furnish(wire.b, isPeer: true, by: sockets.b)
        } catch {
            // With one link goes the other; that it is gone already is as good.
            if let index = try? sockets.a.linkIndex(wire.a.link) { try? sockets.a.perform(.deleteLink(index)) }
            throw error
        }
    }

    private static func furnish(
        _ end: Wire.End, isPeer: Bool = false, by socket: NetlinkSocket
    ) throws(SystemError) {
        guard isPeer || !end.addresses.isEmpty || !end.impairment.isNone else { return }
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
    }

    /// Replaces what is done to the traffic of both directions.
    static func impair(
        _ wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) {
        let sockets = try Self.sockets(in: namespaces, on: &thread)
        for (end, socket) in [(wire.a, sockets.a), (wire.b, sockets.b)] {
            try socket.impair(try socket.index(of: end.link), Impairment(end.impairment))
        }
    }

    static func state(
        of wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) -> WireStatus.State {
        let sockets = try Self.sockets(in: namespaces, on: &thread)
        return state(try veth(of: wire.a, by: sockets.a), try veth(of: wire.b, by: sockets.b))
    }

    /// The same by the links of its ends, nil where there is none.
    static func state(_ a: Link?, _ b: Link?) -> WireStatus.State {
        guard let a, let b, a.lower == b.index, b.lower == a.index else { return .broken }
        return a.isUp && b.isUp ? .up : .down
    }

    /// The veth of an end, asked for in its namespace; nil where there is none.
    static func veth(of end: Wire.End, by socket: NetlinkSocket) throws(SystemError) -> Link? {
        guard let link = try socket.link(end.link), link.kind == "veth" else { return nil }
        return link
    }

    /// Deletes what may be there of a wire that was not made to the end: a pair of these names that is one.
    static func unmake(
        _ wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) {
        guard try state(of: wire, in: namespaces, on: &thread) != .broken else { return }
        let socket = try namespaces[0].socket(on: &thread)
        try socket.perform(.deleteLink(try socket.index(of: wire.a.link)))
    }

    /// Whether neither link is there.
    static func areGone(
        _ wire: Wire, in namespaces: [OpenNamespace], on thread: inout KernelThread
    ) throws(SystemError) -> Bool {
        let sockets = try Self.sockets(in: namespaces, on: &thread)
        guard try sockets.a.linkIndex(wire.a.link) == nil else { return false }
        return try sockets.b.linkIndex(wire.b.link) == nil
    }

    /// Deletes both links through an end that is in `namespace`.
    ///
    /// - Throws: `.findLink` with `.noSuchDevice` when none is there, or no veth any more.
    static func delete(
        _ wire: Wire, in namespace: OpenNamespace, named name: NamespaceName, on thread: inout KernelThread
    ) throws(SystemError) {
        let socket = try namespace.socket(on: &thread)
        for end in [wire.a, wire.b] where end.namespace == name {
            guard let link = try veth(of: end, by: socket) else { continue }
            try socket.perform(.deleteLink(link.index))
            // With one link goes the other.
            return
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
