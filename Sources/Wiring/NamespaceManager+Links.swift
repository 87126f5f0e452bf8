import LinuxKit
package import NamespaceCore
package import Netlink

extension NamespaceManager {
    /// The links of a namespace in the order of their indices, as the kernel has them now.
    package func links(in name: NamespaceName) async throws(NamespaceError) -> [LinkView] {
        let candidates = candidates(besides: name)
        return try await visiting([name], to: nil) { (open, thread) throws(SystemError) in
            let socket = try open[0].socket(on: &thread)
            var peers = PeerFinder(of: socket, in: open[0], candidates)
            return try socket.views(of: try socket.links(), finding: &peers, on: &thread)
        }
    }

    /// One link.
    ///
    /// - Throws: `.linkNotFound`.
    package func link(_ link: LinkName, in name: NamespaceName) async throws(NamespaceError) -> LinkView {
        let candidates = candidates(besides: name)
        return try await visiting([name], to: nil) { (open, thread) throws(SystemError) in
            try open[0].view(of: link, candidates, on: &thread)
        }
    }

    /// Makes a link.
    ///
    /// - Throws: `.linkTaken`; `.linkNotFound` for a parent or master; `.notSupported` for a kind that the kernel lacks;
    ///   `.hostForbidden` for a peer in the host; and what the kernel has against it.
    package func createLink(
        _ order: LinkOrder, in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> LinkView {
        if order.touchesHost { try authority.checkHost() }
        let names = order.peerNamespace.flatMap { $0 == name ? nil : [name, $0] } ?? [name]
        let candidates = candidates(besides: name)
        return try await visiting(names, to: .change, by: authority) { (open, thread) throws(SystemError) in
            let peer = order.touchesHost ? try thread.openHome() : open.count > 1 ? open[1] : nil
            let maker = try LinkMaker(order, in: open[0], peerIn: peer, on: &thread)
            try maker.make(in: open[0], on: &thread)
            return try open[0].view(of: order.name, candidates, on: &thread)
        }
    }

    /// Changes a link. What was done before the kernel refused something stays.
    ///
    /// - Throws: `.linkNotFound`, for a master too; `.linkTaken` for a new name; and what the kernel has against it.
    package func changeLink(
        _ link: LinkName, _ patch: LinkPatch, in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> LinkView {
        let candidates = candidates(besides: name)
        return try await visiting([name], to: .change, by: authority) { (open, thread) throws(SystemError) in
            let socket = try open[0].socket(on: &thread)
            let index = try socket.index(of: link)
            var change = LinkChange(
                isUp: patch.isUp, mtu: patch.mtu, address: patch.mac, name: patch.name, alias: patch.alias)
            switch patch.master {
            case nil: break
            case .some(.none): change.master = LinkChange.Master.none
            case .link(let master): change.master = .link(try socket.index(of: master))
            }
            if change != LinkChange() { try socket.perform(.changeLink(index, change)) }
            return try open[0].view(of: patch.name ?? link, candidates, on: &thread)
        }
    }

    /// Deletes a link, and a veth's other end with it.
    ///
    /// - Throws: `.linkNotFound`, and what the kernel has against it.
    package func deleteLink(
        _ link: LinkName, in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) {
        try await inside(name, to: .change, by: authority) { (socket) throws(SystemError) in
            try socket.perform(.deleteLink(try socket.index(of: link)))
        }
    }
}
