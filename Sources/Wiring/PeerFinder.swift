import LinuxKit
import NamespaceCore
import Netlink
import SystemPackage

/// Finds out where the other ends of links are. The kernel knows the namespaces of others by numbers that mean something
/// in one namespace only (RTM_GETNSID), so that one after the other is asked for its own, as far as there is need.
struct PeerFinder {
    private let socket: NetlinkSocket
    private let namespace: OpenNamespace
    private var candidates: Candidates
    private var known: [NamespaceID: Place] = [:]
    private var hasAskedHome = false

    private struct Place {
        let namespace: NamespaceName?
        let isHost: Bool
        let links: [LinkIndex: String]
    }

    /// - Parameters:
    ///   - socket: One in the links' namespace.
    ///   - candidates: The names in the same directory to ask, in their order.
    init(of socket: NetlinkSocket, in namespace: OpenNamespace, _ candidates: Candidates) {
        self.socket = socket
        self.namespace = namespace
        self.candidates = candidates
    }

    /// Where the other end of a link is; nil for a link that has none.
    ///
    /// - Parameter names: The links of the link's own namespace.
    mutating func peer(
        of link: Link, names: [LinkIndex: String], on thread: inout KernelThread
    ) throws(SystemError) -> LinkView.Peer? {
        guard let index = link.lower else { return nil }
        guard let id = link.lowerNamespaceID else {
            // What stands on itself, as some tunnels do, has no other end.
            guard index != link.index else { return nil }
            return LinkView.Peer(index: index, namespace: nil, link: names[index], isInHost: false)
        }
        let place = try place(id, on: &thread)
        return LinkView.Peer(
            index: index, namespace: place?.namespace, link: place?.links[index], isInHost: place?.isHost ?? false)
    }

    private mutating func place(_ id: NamespaceID, on thread: inout KernelThread) throws(SystemError) -> Place? {
        if let place = known[id] { return place }
        if !hasAskedHome {
            hasAskedHome = true
            try learn(nil, try thread.openHome(), on: &thread)
            if let place = known[id] { return place }
        }
        while let name = candidates.next() {
            // Gone, or no namespace: not where the peer is.
            guard let namespace = try? namespace.openSibling(name.bytes) else { continue }
            try learn(name, namespace, on: &thread)
            if let place = known[id] { return place }
        }
        return nil
    }

    private mutating func learn(
        _ name: NamespaceName?, _ namespace: OpenNamespace, on thread: inout KernelThread
    ) throws(SystemError) {
        guard let id = try socket.namespaceID(of: namespace.descriptor), known[id] == nil else { return }
        let links = try namespace.socket(on: &thread).linkNames()
        known[id] = Place(namespace: name, isHost: name == nil, links: links)
    }
}

extension NetlinkSocket {
    /// All links, or one of them, with what belongs to them.
    func views(
        of links: [Link], finding peers: inout PeerFinder, on thread: inout KernelThread
    ) throws(SystemError) -> [LinkView] {
        // Several are all of them; of one, the others' names are needed only if it has a master or a peer beside it.
        let isAlone = links.count == 1 && (links[0].master != nil || links[0].lower != nil)
        let names =
            isAlone ? try linkNames() : Dictionary(links.map { ($0.index, $0.name) }) { first, _ in first }
        var addresses: [LinkIndex: [InterfaceAddress]] = [:]
        for address in try self.addresses(of: links.count == 1 ? links[0].index : nil) {
            addresses[address.link, default: []].append(address)
        }
        var views: [LinkView] = []
        views.reserveCapacity(links.count)
        for link in links {
            views.append(
                LinkView(
                    link: link, master: link.master.flatMap { names[$0] },
                    peer: try peers.peer(of: link, names: names, on: &thread),
                    addresses: Named(addresses[link.index] ?? [], links: [link.index: link.name])))
        }
        return views
    }
}

extension OpenNamespace {
    /// A link of the namespace, by a socket that was just opened in it.
    ///
    /// - Throws: `.findLink` with `.noSuchDevice`.
    func view(
        of name: LinkName, _ candidates: Candidates, on thread: inout KernelThread
    ) throws(SystemError) -> LinkView {
        let socket = try socket(on: &thread)
        guard let link = try socket.link(name) else { throw .missing(name) }
        var peers = PeerFinder(of: socket, in: self, candidates)
        return try socket.views(of: [link], finding: &peers, on: &thread)[0]
    }
}
