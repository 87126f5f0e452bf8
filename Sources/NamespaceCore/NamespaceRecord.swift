import JSONText
package import LinuxKit

/// What we know of a namespace that the kernel does not: kept as one JSON file for the life of the boot.
package struct NamespaceRecord: Sendable, Equatable {
    package let createdAt: Timestamp
    /// What was asked for; the interface may have been changed since.
    package let loopback: Loopback
    package let identity: NamespaceIdentity
    /// The boot in which the identity above is worth something.
    package let bootID: String

    package init(createdAt: Timestamp, loopback: Loopback, identity: NamespaceIdentity, bootID: String) {
        self.createdAt = createdAt
        self.loopback = loopback
        self.identity = identity
        self.bootID = bootID
    }

    /// Whether this is the record of that namespace, not of an earlier one of the same name.
    package func describes(_ other: NamespaceIdentity) -> Bool { identity.isSame(as: other) }
}

// MARK: - As JSON

extension NamespaceRecord {
    /// The record's file.
    var text: [UInt8] {
        JSONWriter.text { writer in
            writer.object { writer in
                writer.member("createdAtMilliseconds", createdAt.milliseconds)
                writer.member("loopback", loopback.rawValue)
                writer.member("device", identity.device)
                writer.member("inode", identity.inode)
                writer.member("cookie", identity.cookie)
                writer.member("bootID", bootID)
            }
        }
    }

    /// nil when `text` is no record's file.
    init?(text: [UInt8]) {
        guard let value = try? JSONValue(parsing: text), let created = value["createdAtMilliseconds"]?.int64,
            let loopback = value["loopback"]?.string.flatMap(Loopback.init(rawValue:)),
            let device = value["device"]?.uint64, let inode = value["inode"]?.uint64,
            let bootID = value["bootID"]?.string
        else { return nil }
        self.init(
            createdAt: Timestamp(milliseconds: created), loopback: loopback,
            identity: NamespaceIdentity(device: device, inode: inode, cookie: value["cookie"]?.uint64), bootID: bootID)
    }
}
