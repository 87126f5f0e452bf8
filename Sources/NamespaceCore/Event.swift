/// A number that grows with every change. Those of one run of the daemon are all greater than those of earlier ones.
package struct Revision: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let number: Int64

    package init(_ number: Int64) { self.number = number }

    /// The revision before the first change of a run that starts at `time`: later than that of any earlier run, unless
    /// one made more than four thousand changes a millisecond or the wall clock was set back. Exact as a JSON number
    /// (RFC 8259, section 6) until the year 2039.
    static func start(at time: Timestamp) -> Revision { Revision(time.milliseconds << 12) }

    func next(_ distance: Int = 1) -> Revision { Revision(number + Int64(distance)) }

    package static func < (left: Revision, right: Revision) -> Bool { left.number < right.number }
    package var description: String { String(number) }
}

/// Something that happened to a name.
package struct Event: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case created
        case adopted
        /// Labels or lease were changed, or the lease renewed.
        case updated
        case deleted
        /// Deleted because its lease had ended.
        case expired
        /// Made by another tool.
        case appeared
        /// Deleted, unmounted or replaced by another tool.
        case vanished
        case wireCreated = "wire-created"
        case wireChanged = "wire-changed"
        /// Deleted, or gone with a namespace that it ended in.
        case wireDeleted = "wire-deleted"
        /// Attached to a CNI network by us.
        case attached
        /// Detached by us, also because the namespace goes or has gone.
        case detached
        // In a namespace that is watched, whoever did it.
        case linkChanged = "link-changed"
        case linkRemoved = "link-removed"
        case addressAdded = "address-added"
        case addressRemoved = "address-removed"
        case routeAdded = "route-added"
        case routeRemoved = "route-removed"
        /// More happened inside than could be kept track of.
        case changesLost = "changes-lost"
    }

    /// What it happened to, where that is not the namespace as such.
    package enum Subject: Sendable {
        case wire(Wire)
        case attachment(Attachment)
        case link(Link)
        case address(Address)
        case route(Route)
    }

    /// An attachment to a CNI network, as far as its events tell.
    package struct Attachment: Sendable {
        package let id: String
        package let network: String
        package let interface: String
    }

    /// A link, as far as its events tell.
    package struct Link: Sendable, Equatable {
        package let name: String
        package let index: Int32
        package let isUp: Bool
        /// As RFC 2863 calls it.
        package let state: String
        package let mtu: UInt32
        package let mac: String?
        package let master: String?

        package init(
            name: String, index: Int32, isUp: Bool, state: String, mtu: UInt32, mac: String?, master: String?
        ) {
            self.name = name
            self.index = index
            self.isUp = isUp
            self.state = state
            self.mtu = mtu
            self.mac = mac
            self.master = master
        }
    }

    /// An address, and the link that it is on, nil for one whose name is not known any more.
    package struct Address: Sendable, Equatable {
        package let link: String?
        package let address: String

        package init(link: String?, address: String) {
            self.link = link
            self.address = address
        }
    }

    /// A route, as far as its events tell.
    package struct Route: Sendable, Equatable {
        package let destination: String
        package let gateway: String?
        package let link: String?
        package let table: UInt32

        package init(destination: String, gateway: String?, link: String?, table: UInt32) {
            self.destination = destination
            self.gateway = gateway
            self.link = link
            self.table = table
        }
    }

    /// A wire, as far as its events tell.
    package struct Wire: Sendable {
        package struct End: Sendable {
            package let namespace: NamespaceName
            package let link: String

            package init(namespace: NamespaceName, link: String) {
                self.namespace = namespace
                self.link = link
            }
        }

        package let id: String
        package let a: End
        package let b: End

        package init(id: String, a: End, b: End) {
            self.id = id
            self.a = a
            self.b = b
        }
    }

    package let revision: Revision
    package let kind: Kind
    package let at: Timestamp
    package let name: NamespaceName
    /// What the name stands for since; nil when it stands for nothing, and where there is a subject.
    package let namespace: Namespace?
    /// What it happened to, if not to the namespace as such. Of a wire, `name` is that of its end `a`.
    package let subject: Subject?
}
