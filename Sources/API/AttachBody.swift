import CNI
import JSONText
import NamespaceCore

/// The body that asks for an attachment.
enum AttachBody {
    static let fields = ["network", "interface", "containerID", "args", "capabilities"]
    private static let mostArguments = 64

    static func order(_ fields: Fields) throws(Problem) -> Attachments.Order {
        guard let network = try fields.string("network") else {
            throw fields.problem("network", "An attachment has the name of the network it is to.")
        }
        guard Identifiers.isIdentifier(network), network.utf8.count <= Attachments.longestNetwork else {
            throw fields.problem("network", "network is \(rule(Attachments.longestNetwork)).")
        }
        let interface = try fields.string("interface") ?? "eth0"
        guard Identifiers.isInterfaceName(interface), interface != "lo" else {
            throw fields.problem(
                "interface", "interface is 1 to 15 visible ASCII characters without / : and %, and not lo.")
        }
        let container = try fields.string("containerID")
        if let container {
            guard Identifiers.isIdentifier(container), container.utf8.count <= Attachments.longestContainerID else {
                throw fields.problem("containerID", "containerID is \(rule(Attachments.longestContainerID)).")
            }
        }
        return Attachments.Order(
            network: network, interface: interface, containerID: container, arguments: try arguments(fields),
            capabilities: try capabilities(fields))
    }

    private static func rule(_ longest: Int) -> String {
        "1 to \(longest) of the characters A-Z a-z 0-9 _ . -, the first a letter or a digit"
    }

    private static func arguments(_ fields: Fields) throws(Problem) -> [(key: String, value: String)] {
        guard let value = fields["args"] else { return [] }
        guard case .object(let members) = value else {
            throw fields.problem("args", "The value is an object, not \(value.kind).")
        }
        guard members.count <= mostArguments else {
            throw fields.problem("args", "There are at most \(mostArguments) of them.")
        }
        var pairs: [(key: String, value: String)] = []
        for (key, member) in members.sorted(by: { $0.key < $1.key }) {
            guard case .string(let text) = member else {
                throw fields.problem("args.\(key)", "The value is a string, not \(member.kind).")
            }
            let isFit = !key.isEmpty && Identifiers.isArgument(key) && Identifiers.isArgument(text)
            guard isFit, key.utf8.count <= 256, text.utf8.count <= 1024 else {
                throw fields.problem(
                    "args.\(key)",
                    "Keys of 1 to 256 bytes and values of up to 1024 have no ; and = and no control characters.")
            }
            pairs.append((key, text))
        }
        return pairs
    }

    private static func capabilities(_ fields: Fields) throws(Problem) -> [String: JSONValue] {
        guard let value = fields["capabilities"] else { return [:] }
        let members = try Fields(value, at: "capabilities", inside: fields, allowing: CapabilityShape.all.map(\.name))
        var capabilities: [String: JSONValue] = [:]
        for (name, shape) in CapabilityShape.all {
            guard let value = members[name] else { continue }
            guard let misfit = shape.misfit(of: value, at: name) else {
                capabilities[name] = value
                continue
            }
            throw members.problem(misfit.place, misfit.rule)
        }
        return capabilities
    }
}

/// What the value of a capability looks like, by the conventions of CNI (CONVENTIONS.md): the plugins trust the runtime
/// with the form.
indirect enum CapabilityShape: Sendable {
    case text
    case number(ClosedRange<Int64>)
    case list(CapabilityShape)
    case object([(name: String, shape: CapabilityShape, isRequired: Bool)])

    private static let port = number(0...65535)
    /// Up to what any reader of JSON has exactly (RFC 8259, 6).
    private static let rate = number(0...(1 << 53) - 1)

    /// The capabilities, in the order in which the conventions have them.
    static let all: [(name: String, shape: CapabilityShape)] = [
        (
            "portMappings",
            .list(
                .object([
                    ("hostPort", port, true), ("containerPort", port, true), ("protocol", .text, false),
                    ("hostIP", .text, false),
                ]))
        ),
        (
            "ipRanges",
            .list(
                .list(
                    .object([
                        ("subnet", .text, true), ("rangeStart", .text, false), ("rangeEnd", .text, false),
                        ("gateway", .text, false),
                    ])))
        ),
        (
            "bandwidth",
            .object([
                ("ingressRate", rate, false), ("ingressBurst", rate, false), ("egressRate", rate, false),
                ("egressBurst", rate, false),
            ])
        ),
        (
            "dns",
            .object([
                ("servers", .list(.text), false), ("searches", .list(.text), false), ("options", .list(.text), false),
            ])
        ),
        ("ips", .list(.text)),
        ("mac", .text),
        ("infinibandGUID", .text),
        ("deviceID", .text),
        ("aliases", .list(.text)),
        ("cgroupPath", .text),
    ]

    private static let mostElements = 256
    private static let longestText = 1024

    /// Where a value is not of the shape, and what it should be; nil where it is.
    func misfit(of value: JSONValue, at place: String) -> (place: String, rule: String)? {
        switch (self, value) {
        case (.text, .string(let text)) where (1...Self.longestText).contains(text.utf8.count): return nil
        case (.text, _): return (place, "The value is a string of 1 to \(Self.longestText) bytes.")
        case (.number(let range), _):
            if let number = value.int64, range.contains(number) { return nil }
            return (place, "The value is a whole number from \(range.lowerBound) to \(range.upperBound).")
        case (.list(let shape), .array(let elements)) where elements.count <= Self.mostElements:
            return elements.enumerated().lazy.compactMap { shape.misfit(of: $1, at: "\(place).\($0)") }.first
        case (.list, _): return (place, "The value is an array of at most \(Self.mostElements) elements.")
        case (.object(let fields), .object(let members)):
            if let stranger = members.keys.sorted().first(where: { key in !fields.contains { $0.name == key } }) {
                let known = fields.map(\.name).joined(separator: ", ")
                return ("\(place).\(stranger)", "There is no such field; the fields are \(known).")
            }
            for field in fields {
                guard let member = members[field.name] else {
                    if field.isRequired { return ("\(place).\(field.name)", "The field is needed.") }
                    continue
                }
                if let misfit = field.shape.misfit(of: member, at: "\(place).\(field.name)") { return misfit }
            }
            return nil
        case (.object, _): return (place, "The value is an object, not \(value.kind).")
        }
    }
}
