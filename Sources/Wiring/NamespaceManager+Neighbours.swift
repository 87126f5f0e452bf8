import LinuxKit
package import NamespaceCore
package import Netlink

extension NamespaceManager {
    /// The neighbours that the links of a namespace know.
    package func neighbours(in name: NamespaceName) async throws(NamespaceError) -> Named<[Neighbour]> {
        try await inside(name, to: nil) { (socket) throws(SystemError) in
            Named(try socket.neighbours(), links: try socket.linkNames())
        }
    }

    /// Adds a neighbour, and answers what the kernel made of it.
    ///
    /// - Parameter replacing: Whether it may be there already, and be changed.
    /// - Throws: `.linkNotFound`, `.entryTaken`, and what the kernel has against it.
    package func addNeighbour(
        _ address: IPAddress, mac: MACAddress, state: NeighbourState, on link: LinkName, replacing: Bool = false,
        in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> Named<Neighbour> {
        try await inside(name, to: .change, by: authority) { (socket) throws(SystemError) in
            let neighbour = Neighbour(link: try socket.index(of: link), address: address, mac: mac, state: state)
            try socket.perform(.addNeighbour(neighbour, replacing: replacing))
            return Named(neighbour, links: [neighbour.link: link.text])
        }
    }

    /// Removes a neighbour.
    ///
    /// - Throws: `.linkNotFound`, `.entryNotFound`.
    package func removeNeighbour(
        _ address: IPAddress, on link: LinkName, in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) {
        try await inside(name, to: .change, by: authority) { (socket) throws(SystemError) in
            try socket.perform(.deleteNeighbour(Neighbour(link: try socket.index(of: link), address: address)))
        }
    }
}
