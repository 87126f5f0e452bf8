import LinuxKit
package import NamespaceCore
package import Netlink

/// An address that a link is to have.
package struct AddressOrder: Sendable {
    package let link: LinkName
    package let address: IPPrefix
    package var peer: IPAddress?
    package var broadcast: IPAddress?
    package var scope: RouteScope?
    package var label: String?

    package init(link: LinkName, address: IPPrefix) {
        self.link = link
        self.address = address
    }

    func address(on index: LinkIndex) -> InterfaceAddress {
        InterfaceAddress(
            link: index, address: address, peer: peer, broadcast: broadcast, scope: scope ?? .global, label: label)
    }
}

extension NamespaceManager {
    /// The addresses of all links of a namespace, as the kernel has them now.
    package func addresses(in name: NamespaceName) async throws(NamespaceError) -> Named<[InterfaceAddress]> {
        try await inside(name, to: nil) { (socket) throws(SystemError) in
            Named(try socket.addresses(), links: try socket.linkNames())
        }
    }

    /// Gives a link an address, and answers what the kernel made of it.
    ///
    /// - Parameter replacing: Whether it may be there already, and be changed.
    /// - Throws: `.linkNotFound`, `.entryTaken`, and what the kernel has against it.
    package func addAddress(
        _ order: AddressOrder, replacing: Bool = false, in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> Named<InterfaceAddress> {
        try await inside(name, to: .change, by: authority) { (socket) throws(SystemError) in
            let address = order.address(on: try socket.index(of: order.link))
            try socket.perform(.addAddress(address, replacing: replacing))
            let made = try socket.addresses(of: address.link).first { $0.address == address.address }
            return Named(made ?? address, links: [address.link: order.link.text])
        }
    }

    /// Takes an address away.
    ///
    /// - Throws: `.linkNotFound`, `.entryNotFound`.
    package func removeAddress(
        _ address: IPPrefix, from link: LinkName, in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) {
        try await inside(name, to: .change, by: authority) { (socket) throws(SystemError) in
            try socket.perform(.deleteAddress(InterfaceAddress(link: try socket.index(of: link), address: address)))
        }
    }
}
