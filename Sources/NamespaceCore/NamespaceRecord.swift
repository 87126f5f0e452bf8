import JSONText
package import LinuxKit

/// What we know of a namespace that the kernel does not: kept as a line of JSON for the life of the boot.
package struct NamespaceRecord: Sendable, Equatable {
    package let origin: Namespace.Origin
    package let createdAt: Timestamp
    package let createdBy: Owner?
    /// What was asked for; the interface may have been changed since. nil for an adopted namespace.
    package let loopback: Loopback?
    package let identity: NamespaceIdentity
    /// The boot in which the identity above is worth something.
    package let bootID: String
    package var labels: Labels
    package var lease: Lease?
    /// Counts the changes.
    package var version = 1
    /// The atomic batch that made it; it counts as made only once that batch is committed.
    package let batch: String?
    /// The request that made it, if it is to be safe to retry.
    package let request: RequestMark?

    /// Whether this is the record of that namespace, not of an earlier one of the same name.
    package func describes(_ other: NamespaceIdentity) -> Bool { identity.isSame(as: other) }
}

/// A right to exist for a while.
package struct Lease: Sendable, Equatable {
    /// What it is renewed for, in seconds.
    package let seconds: Int64
    /// When it ends, on the clock that neither steps nor counts while the host is suspended, since boot.
    package let deadline: Duration

    /// Lease lengths that are taken, in seconds: up to a year.
    package static let range: ClosedRange<Int64> = 1...31_536_000

    package init(seconds: Int64, from start: Duration) {
        self.seconds = seconds
        deadline = start + .seconds(seconds)
    }

    init(seconds: Int64, deadline: Duration) {
        self.seconds = seconds
        self.deadline = deadline
    }
}

/// What makes a request safe to retry: its key, what it asked for, and which of its parts this is.
package struct RequestMark: Sendable, Hashable {
    package let key: String
    package let fingerprint: Fingerprint
    /// The item of a batch; 0 for a request that makes one namespace.
    package let item: Int

    package init(key: String, fingerprint: Fingerprint, item: Int = 0) {
        self.key = key
        self.fingerprint = fingerprint
        self.item = item
    }
}

// MARK: - As JSON

extension NamespaceRecord {
    /// The record's line, without its newline.
    ///
    /// - Parameter sequence: Which of the name's records is the newest.
    package func text(for name: NamespaceName, sequence: Int64 = 0) -> [UInt8] {
        var text = JSONWriter.text(capacity: 512) { writer in
            writer.object { writer in
                writer.member("sequence", sequence)
                writer.member("name", name.pathSegment)
                writer.member("origin", origin.rawValue)
                writer.member("createdAtMilliseconds", createdAt.milliseconds)
                if let createdBy {
                    writer.member("createdBy") { writer in
                        writer.member("principal", createdBy.principal)
                        if let user = createdBy.user { writer.member("uid", user) }
                        if let process = createdBy.process { writer.member("pid", process) }
                    }
                }
                if let loopback { writer.member("loopback", loopback.rawValue) }
                writer.member("device", identity.device)
                writer.member("inode", identity.inode)
                if let cookie = identity.cookie { writer.member("cookie", cookie) }
                writer.member("bootID", bootID)
                writer.member("labels", labels.values)
                if let lease {
                    writer.member("lease") { writer in
                        writer.member("seconds", lease.seconds)
                        writer.member("deadlineMilliseconds", lease.deadline.milliseconds)
                    }
                }
                writer.member("version", version)
                if let batch { writer.member("batch", batch) }
                if let request {
                    writer.member("request") { writer in
                        writer.member("key", request.key)
                        writer.member("fingerprint", request.fingerprint.description)
                        writer.member("item", request.item)
                    }
                }
            }
        }
        text.removeLast()
        return text
    }

    /// Reads a record's line; nil when it is none. Records of version 0.1 have no sequence: it is 0.
    package static func parse(
        _ text: [UInt8]
    ) -> (name: NamespaceName, record: NamespaceRecord, sequence: Int64)? {
        guard let value = try? JSONValue(parsing: text),
            let name = value["name"]?.string.flatMap(NamespaceName.init(pathSegment:)),
            let record = NamespaceRecord(value)
        else { return nil }
        let sequence = value["sequence"]?.int64 ?? 0
        return sequences.contains(sequence) ? (name, record, sequence) : nil
    }

    /// Up to the year 9999, which RFC 3339 ends with.
    private static let times: ClosedRange<Int64> = 0...253_402_300_799_999
    /// More changes than there will be, and room to count on.
    private static let versions: ClosedRange<Int64> = 1...(1 << 53)
    private static let sequences: ClosedRange<Int64> = 0...(1 << 53)

    private init?(_ value: JSONValue) {
        guard let origin = value["origin"]?.string.flatMap(Namespace.Origin.init(rawValue:)),
            let created = value["createdAtMilliseconds"]?.int64, let device = value["device"]?.uint64,
            let inode = value["inode"]?.uint64, let bootID = value["bootID"]?.string,
            let labels = Labels(stored: value["labels"]), let version = value["version"]?.int64,
            Self.times.contains(created), Self.versions.contains(version)
        else { return nil }
        self.origin = origin
        createdAt = Timestamp(milliseconds: created)
        createdBy = Owner(value["createdBy"])
        loopback = value["loopback"]?.string.flatMap(Loopback.init(rawValue:))
        identity = NamespaceIdentity(device: device, inode: inode, cookie: value["cookie"]?.uint64)
        self.bootID = bootID
        self.labels = labels
        lease = Lease(value["lease"])
        self.version = Int(version)
        batch = value["batch"]?.string
        request = RequestMark(value["request"])
    }
}

extension Owner {
    fileprivate init?(_ value: JSONValue?) {
        let user = value?["uid"]?.int64.flatMap { UInt32(exactly: $0) }
        let process = value?["pid"]?.int64.flatMap { Int32(exactly: $0) }
        // Records of version 0.1 have no principal: there were Unix peers alone.
        guard let principal = value?["principal"]?.string ?? user.map({ "uid:\($0)" }) else { return nil }
        self.init(principal: principal, user: user, process: process)
    }
}

extension Lease {
    /// Milliseconds since boot that can be reckoned with: a thousand years.
    private static let deadlines: ClosedRange<Int64> = 0...31_536_000_000_000

    fileprivate init?(_ value: JSONValue?) {
        guard let seconds = value?["seconds"]?.int64, Self.range.contains(seconds),
            let deadline = value?["deadlineMilliseconds"]?.int64, Self.deadlines.contains(deadline)
        else { return nil }
        self.init(seconds: seconds, deadline: .milliseconds(deadline))
    }
}

extension RequestMark {
    fileprivate init?(_ value: JSONValue?) {
        guard let key = value?["key"]?.string,
            let fingerprint = value?["fingerprint"]?.string.flatMap(Fingerprint.init(_:)),
            let item = value?["item"]?.int64
        else { return nil }
        self.init(key: key, fingerprint: fingerprint, item: Int(item))
    }
}

extension Duration {
    /// Rounded down.
    var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
