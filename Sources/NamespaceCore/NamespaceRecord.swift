package import FoundationEssentials
package import LinuxKit

/// What we know of a namespace that the kernel does not: kept as one JSON file for the life of the boot.
package struct NamespaceRecord: Sendable, Codable, Equatable {
    package let createdAt: Date
    /// What was asked for; the interface may have been changed since.
    package let loopback: Loopback
    package let device: UInt64
    package let inode: UInt64
    package let cookie: UInt64?
    /// The boot in which the identity above is worth something.
    package let bootID: String

    package init(createdAt: Date, loopback: Loopback, identity: NamespaceIdentity, bootID: String) {
        self.createdAt = createdAt
        self.loopback = loopback
        device = identity.device
        inode = identity.inode
        cookie = identity.cookie
        self.bootID = bootID
    }

    /// Whether this is the record of that namespace, not of an earlier one of the same name. The cookie decides where
    /// the kernel has one, because inode numbers are reused.
    package func describes(_ identity: NamespaceIdentity) -> Bool {
        if let cookie, let other = identity.cookie { return cookie == other }
        return device == identity.device && inode == identity.inode
    }
}
