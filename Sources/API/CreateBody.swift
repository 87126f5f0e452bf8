import JSONText
import LinuxKit
import NamespaceCore

/// The body that asks for a namespace, alone or as an item of a batch.
enum CreateBody {
    static let fields = ["name", "namePrefix", "loopback", "labels", "leaseSeconds", "from"]

    /// What the fields ask for.
    ///
    /// - Parameter directory: The mount directory, whose names can be adopted.
    static func creation(_ fields: Fields, in directory: String, by authority: Authority) throws(Problem) -> Creation {
        let name = try fields.creatableName()
        let prefix = try fields.string("namePrefix")
        if let prefix {
            guard name == nil else { throw fields.problem("namePrefix", "Give name or namePrefix, not both.") }
            guard NamespaceName.isPrefix(prefix) else {
                throw fields.problem("namePrefix", "namePrefix is \(NamespaceName.prefixRule).")
            }
        }
        return Creation(
            name.map { .exactly($0) } ?? .generated(prefix: prefix ?? NamespaceName.defaultPrefix),
            try fields.kind(in: directory), labels: try fields.labels(), leaseSeconds: try fields.leaseSeconds(),
            by: authority)
    }
}

extension Fields {
    /// `name`, which may be left out.
    fileprivate func creatableName() throws(Problem) -> NamespaceName? {
        guard let text = try string("name") else { return nil }
        guard let name = NamespaceName(bytes: Array(text.utf8)), name.isCreatable else {
            throw problem("name", "name is \(NamespaceName.rule).")
        }
        return name
    }

    /// A new namespace with its `loopback`, or the one that `from` tells of.
    fileprivate func kind(in directory: String) throws(Problem) -> Creation.Kind {
        guard let value = self["from"] else { return .new(try loopback()) }
        guard self["loopback"] == nil else {
            throw problem("loopback", "An existing namespace is left as it is; give loopback or from, not both.")
        }
        let from = try Fields(value, at: "from", inside: self, allowing: ["pid", "path"])
        let path = try from.string("path")
        let process = try from.integer("pid", in: 1...Int64(Int32.max))
        switch (process, path) {
        case (let process?, nil): return .existing(.process(Int32(process)))
        case (nil, let path?):
            guard let source = NamespaceSource(path: path, directory: directory) else {
                throw from.problem("path", "A namespace is taken from \(NamespaceSource.pathRule).")
            }
            return .existing(source)
        default: throw problem("from", "from has either pid or path.")
        }
    }
}

// MARK: - Fields that bodies share

extension Fields {
    /// `loopback`; up where it is left out.
    func loopback() throws(Problem) -> Loopback {
        guard let text = try string("loopback") else { return .up }
        guard let loopback = Loopback(rawValue: text) else { throw problem("loopback", "loopback is up or down.") }
        return loopback
    }

    /// `labels`; none where it is left out.
    func labels() throws(Problem) -> Labels {
        guard let value = self["labels"] else { return Labels() }
        guard case .object(let members) = value else {
            throw problem("labels", "The value is an object, not \(value.kind).")
        }
        var values: [String: String] = [:]
        for (key, member) in members {
            guard case .string(let text) = member else {
                throw problem("labels.\(key)", "The value is a string, not \(member.kind).")
            }
            values[key] = text
        }
        do throws(Labels.Violation) {
            return try Labels(values)
        } catch {
            throw problem(error.field, error.rule)
        }
    }

    /// `leaseSeconds`, which may be left out.
    func leaseSeconds() throws(Problem) -> Int64? { try integer("leaseSeconds", in: Lease.range) }
}

extension Labels.Violation {
    /// Where in a body it stands.
    var field: String { key.map { "labels.\($0)" } ?? "labels" }
}
