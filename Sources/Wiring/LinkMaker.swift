import LinuxKit
import NamespaceCore
import Netlink
import SystemPackage

/// Makes a link wholly, or leaves nothing behind. It blocks, on the thread of a job.
struct LinkMaker {
    private let order: LinkOrder
    /// Of the link's own namespace.
    private let socket: NetlinkSocket
    /// Of a veth's peer.
    private let peerSocket: NetlinkSocket
    private let peerNamespace: OpenNamespace?

    /// - Parameter peerNamespace: The one of a veth's peer, where it is another one.
    init(
        _ order: LinkOrder, in namespace: OpenNamespace, peerIn peerNamespace: OpenNamespace?,
        on thread: inout KernelThread
    ) throws(SystemError) {
        self.order = order
        self.peerNamespace = peerNamespace
        socket = try namespace.socket(on: &thread)
        peerSocket = try peerNamespace?.socket(on: &thread) ?? socket
    }

    func make(in namespace: OpenNamespace, on thread: inout KernelThread) throws(SystemError) {
        let master = try order.master.map(socket.index(of:))
        if case .tun(let tun) = order.kind {
            // The kernel would take one that is there for the new one.
            guard try socket.linkIndex(order.name) == nil else { throw SystemError(.addLink, errno: .fileExists) }
            try thread.inside(namespace) { () throws(SystemError) in try TunDevice.create(order.name, tun) }
        } else {
            let link = NewLink(
                order.name, try kind(), isUp: order.isUp, mtu: order.mtu, address: order.mac, master: master)
            if let peerNamespace {
                try socket.perform(.createLink(link, peerIn: peerNamespace.descriptor))
            } else {
                try socket.perform(.createLink(link))
            }
        }
        do throws(SystemError) {
            try furnish(master)
        } catch {
            // The link is gone already, or goes; with one end of a veth goes the other.
            if let index = try? socket.linkIndex(order.name) { try? socket.perform(.deleteLink(index)) }
            throw error
        }
    }

    private func kind() throws(SystemError) -> NewLink.Kind {
        switch order.kind {
        case .veth(let peer):
            return .veth(peer: VethPeer(name: peer.name, mtu: order.mtu, address: peer.mac))
        case .bridge(let bridge): return .bridge(bridge)
        case .vlan(let vlan, let parent): return .vlan(vlan, parent: try socket.index(of: parent))
        case .macvlan(let mode, let parent): return .macvlan(mode, parent: try socket.index(of: parent))
        case .vxlan(var vxlan, let parent):
            vxlan.parent = try parent.map(socket.index(of:))
            return .vxlan(vxlan)
        case .ifb: return .ifb
        case .dummy, .tun, .fromHost: return .dummy
        }
    }

    /// What the message that makes a link has no place for.
    private func furnish(_ master: LinkIndex?) throws(SystemError) {
        try socket.furnish(order, try socket.index(of: order.name), master: master)
        guard case .veth(let peer) = order.kind, peer.isUp || !peer.addresses.isEmpty else { return }
        let peerIndex = try peerSocket.index(of: peer.name)
        // The kernel does not make a peer that is up: it does not know its other end yet (ENOTCONN).
        var peerRequests = peer.isUp ? [try Request.changeLink(peerIndex, LinkChange(isUp: true))] : []
        for address in peer.addresses {
            peerRequests.append(try .addAddress(InterfaceAddress(link: peerIndex, address: address)))
        }
        for result in try peerSocket.perform(peerRequests) { try result.get() }
    }
}

extension NetlinkSocket {
    /// Gives a link what an order says of it and it has not been made with.
    func furnish(_ order: LinkOrder, _ index: LinkIndex, master: LinkIndex?) throws(SystemError) {
        var requests: [Request] = []
        var change = LinkChange(alias: order.alias)
        switch order.kind {
        case .tun, .fromHost:
            change.mtu = order.mtu
            change.address = order.mac
            change.master = master.map { .link($0) }
            change.isUp = order.isUp ? true : nil
        default: break
        }
        if change != LinkChange() { requests.append(try .changeLink(index, change)) }
        for address in order.addresses {
            requests.append(try .addAddress(InterfaceAddress(link: index, address: address)))
        }
        for result in try perform(requests) { try result.get() }
    }
}
