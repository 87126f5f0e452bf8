import JSONText
import LinuxKit
import NamespaceCore
import Netlink
import SystemPackage

/// The wires' records: `wires/ID.json` in the state directory. While a wire is being made its file is `wires/ID.making`,
/// and a start undoes what it finds under that name alone. Every function blocks.
struct WireStore: Sendable {
    private let directory: FilePath
    private static let suffix = ".json"
    private static let makingSuffix = ".making"

    /// - Parameter directory: The state directory.
    init(directory: FilePath) throws(SystemError) {
        self.directory = directory.appending("wires")
        try FileSystem.makeDirectory(self.directory, mode: 0o700)
    }

    private func path(_ id: WireID, _ suffix: String = suffix) -> FilePath { directory.appending("\(id)\(suffix)") }

    func begin(_ wire: Wire, bootID: String) throws(SystemError) {
        try FileSystem.write(path(wire.id, Self.makingSuffix), wire.text(bootID: bootID))
    }

    /// Makes the wire count, with what is known of it since it was begun.
    func commit(_ wire: Wire, bootID: String) throws(SystemError) {
        try replace(wire, bootID: bootID)
        // The next start removes it otherwise.
        try? abandon(wire.id)
    }

    func abandon(_ id: WireID) throws(SystemError) {
        try FileSystem.unlink(path(id, Self.makingSuffix), as: .removeRecord)
    }

    func replace(_ wire: Wire, bootID: String) throws(SystemError) {
        try FileSystem.replace(path(wire.id), with: wire.text(bootID: bootID))
    }

    func remove(_ id: WireID) throws(SystemError) {
        try FileSystem.unlink(path(id), as: .removeRecord)
    }

    /// What ``load(bootID:)`` found.
    struct Contents: Sendable {
        var wires: [Wire] = []
        /// Those that were not made to the end.
        var unfinished: [Wire] = []
        /// Files that could not be read, and were renamed.
        var setAside: [FilePath] = []
    }

    func load(bootID: String) throws(SystemError) -> Contents {
        var contents = Contents()
        for file in try FileSystem.names(in: directory) {
            let name = String(decoding: file, as: UTF8.self)
            let path = directory.entry(file)
            let isMaking = name.hasSuffix(Self.makingSuffix)
            guard isMaking || name.hasSuffix(Self.suffix) else {
                // The temporary file of a replacement that did not happen, or what was set aside.
                if !name.hasSuffix(".unreadable") { try FileSystem.unlink(path) }
                continue
            }
            guard let text = try? FileSystem.read(path), let (wire, boot) = Wire.parse(text) else {
                // Written before anything was made, so that an incomplete one stands for nothing.
                if isMaking {
                    try FileSystem.unlink(path)
                } else {
                    try FileSystem.rename(path, to: FilePath(path.string + ".unreadable"))
                    contents.setAside.append(path)
                }
                continue
            }
            if boot != bootID {
                try FileSystem.unlink(path)
            } else if isMaking {
                contents.unfinished.append(wire)
            } else {
                contents.wires.append(wire)
            }
        }
        let ids = Set(contents.wires.map(\.id))
        for wire in contents.unfinished where ids.contains(wire.id) { try abandon(wire.id) }
        contents.unfinished.removeAll { ids.contains($0.id) }
        return contents
    }
}

// MARK: - As JSON

extension Wire {
    fileprivate func text(bootID: String) -> [UInt8] {
        JSONWriter.text(capacity: 512) { writer in
            writer.object { writer in
                writer.member("id", id.description)
                writer.member("a") { $0.record(of: a) }
                writer.member("b") { $0.record(of: b) }
                if let mtu { writer.member("mtu", mtu) }
                writer.member("createdAtMilliseconds", createdAt.milliseconds)
                if let createdBy { writer.member("createdBy", createdBy) }
                writer.member("boot", bootID)
            }
        }
    }

    fileprivate static func parse(_ text: [UInt8]) -> (Wire, boot: String)? {
        guard let value = try? JSONValue(parsing: text, depthLimit: 8), let id = value["id"]?.string,
            let id = WireID(bytes: Array(id.utf8)), let a = value["a"].flatMap(End.init),
            let b = value["b"].flatMap(End.init), let created = value["createdAtMilliseconds"]?.int64,
            let boot = value["boot"]?.string
        else { return nil }
        let wire = Wire(
            id: id, a: a, b: b, mtu: value["mtu"]?.int64, createdAt: Timestamp(milliseconds: created),
            createdBy: value["createdBy"]?.string)
        return (wire, boot)
    }
}

extension Wire.End {
    fileprivate init?(_ value: JSONValue) {
        guard let name = value["namespace"]?.string, let namespace = NamespaceName(pathSegment: name),
            let link = value["link"]?.string.flatMap({ LinkName($0) }),
            case .array(let addresses)? = value["addresses"]
        else { return nil }
        self.init(
            namespace: namespace, link: link, mac: value["mac"]?.string.flatMap { MACAddress($0) },
            addresses: addresses.compactMap { $0.string.flatMap { IPPrefix($0) } },
            impairment: value["impairment"].map(WireImpairment.init(record:)) ?? WireImpairment())
        originalMAC = value["originalMAC"]?.string.flatMap { MACAddress($0) }
        index = value["index"]?.int64.map { LinkIndex($0) }
    }
}

extension WireImpairment {
    fileprivate init(record value: JSONValue) {
        self.init()
        for field in Self.integers { self[keyPath: field.path] = value[field.name]?.int64 }
        for field in Self.percentages { self[keyPath: field.path] = value[field.name]?.double }
    }
}

extension JSONWriter {
    fileprivate mutating func record(of end: Wire.End) {
        member("namespace", end.namespace.pathSegment)
        member("link", end.link.description)
        if let mac = end.mac { member("mac", mac.description) }
        member("addresses", end.addresses.map(\.description))
        if let mac = end.originalMAC { member("originalMAC", mac.description) }
        if let index = end.index { member("index", index) }
        if !end.impairment.isNone { member("impairment") { $0.members(of: end.impairment) } }
    }
}
