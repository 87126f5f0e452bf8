package import NamespaceCore
package import Netlink

/// What a wire is called: `[A-Za-z0-9][A-Za-z0-9_.-]*`, up to 64 bytes, as a namespace that we make.
package struct WireID: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let name: NamespaceName

    package init?(bytes: [UInt8]) {
        guard let name = NamespaceName(bytes: bytes), name.isCreatable else { return nil }
        self.name = name
    }

    /// A new one, such as `wire-6f1e0c1a-58f4-4f0e-9d0b-0123456789ab`.
    static func generate() -> WireID? {
        NamespaceName.generate(prefix: "wire").flatMap { WireID(bytes: $0.bytes) }
    }

    package var description: String { name.description }
    package static func < (left: WireID, right: WireID) -> Bool { left.name < right.name }
}

/// Two namespaces joined by a pair of veth links; veth(4).
package struct Wire: Sendable, Equatable {
    /// One of the two links.
    package struct End: Sendable, Equatable {
        package let namespace: NamespaceName
        package let link: LinkName
        package var mac: MACAddress?
        package var addresses: [IPPrefix]
        /// What is done to the traffic that leaves here.
        package var impairment: WireImpairment
        /// The MAC address that it is made with, whoever chose it. With the index it tells the wire's link from one that
        /// has its name later.
        var originalMAC: MACAddress?
        /// Its index in the namespace; nil until the wire is made.
        var index: LinkIndex?

        package init(
            namespace: NamespaceName, link: LinkName, mac: MACAddress? = nil, addresses: [IPPrefix] = [],
            impairment: WireImpairment = WireImpairment()
        ) {
            self.namespace = namespace
            self.link = link
            self.mac = mac
            self.addresses = addresses
            self.impairment = impairment
        }
    }

    package let id: WireID
    package var a: End
    package var b: End
    /// In bytes; nil for the kernel's.
    package let mtu: Int64?
    package let createdAt: Timestamp
    /// The principal who asked for it.
    package let createdBy: String?

    /// The namespaces of both ends, one where they are the same.
    package var namespaces: [NamespaceName] { a.namespace == b.namespace ? [a.namespace] : [a.namespace, b.namespace] }
}

/// What a wire is to be.
package struct WireOrder: Sendable {
    /// Generated where it is nil.
    package var id: WireID?
    package var a: Wire.End
    package var b: Wire.End
    package var mtu: Int64?

    package init(id: WireID? = nil, a: Wire.End, b: Wire.End, mtu: Int64? = nil) {
        self.id = id
        self.a = a
        self.b = b
        self.mtu = mtu
    }
}

/// A wire, and what the kernel says of it now.
package struct WireStatus: Sendable {
    package enum State: String, Sendable, CaseIterable {
        /// Both links are up and see each other.
        case up
        /// Both links are there; one of them is down.
        case down
        /// A link is not there any more, or leads elsewhere: somebody else has changed it.
        case broken
    }

    package let wire: Wire
    package let state: State
}
