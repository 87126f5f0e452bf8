import JSONText
import NamespaceCore
import Netlink

/// The values that the resources inside a namespace have in common.
extension Fields {
    /// An object that may be left out, but not null.
    func object(_ key: String, allowing known: [String]) throws(Problem) -> Fields? {
        guard let value = self[key] else { return nil }
        return try Fields(value, at: key, inside: self, allowing: known)
    }

    /// The items of an array that may be left out, but not null.
    func array(_ key: String, atMost limit: Int) throws(Problem) -> [JSONValue]? {
        switch self[key] {
        case nil: return nil
        case .array(let items)? where items.count <= limit: return items
        case .array?: throw problem(key, "There are at most \(limit) items.")
        case let other?: throw problem(key, "The value is an array, not \(other.kind).")
        }
    }

    /// True or false, nil where it is left out.
    func optionalFlag(_ key: String) throws(Problem) -> Bool? {
        guard self[key] != nil else { return nil }
        return try flag(key)
    }

    /// One of a few words; nil where it is left out.
    func choice<Value: RawRepresentable & CaseIterable>(
        _ key: String
    ) throws(Problem) -> Value? where Value.RawValue == String {
        guard let text = try string(key) else { return nil }
        guard let value = Value(rawValue: text) else {
            throw problem(key, "The value is one of \(Value.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        return value
    }

    /// A number from 0 to 100 that may be left out.
    func percentage(_ key: String) throws(Problem) -> Double? {
        guard let value = self[key] else { return nil }
        guard let number = value.double, (0...100).contains(number) else {
            throw problem(key, "The value is a number from 0 to 100.")
        }
        return number
    }

    /// The name of a link.
    func linkName(_ key: String) throws(Problem) -> LinkName? {
        try parsed(key, as: LinkName.rule) { LinkName($0) }
    }

    /// The name of a link, which has to be there.
    func requiredLinkName(_ key: String) throws(Problem) -> LinkName {
        guard let name = try linkName(key) else { throw problem(key, "The value is \(LinkName.rule).") }
        return name
    }

    /// The name of a namespace, nil where it is left out.
    func namespaceName(_ key: String) throws(Problem) -> NamespaceName? {
        try parsed(key, as: "the name of a namespace") { NamespaceName(bytes: Array($0.utf8)) }
    }

    /// A link's hardware address, of one interface.
    func mac(_ key: String) throws(Problem) -> MACAddress? {
        try parsed(key, as: "a unicast MAC address such as 02:00:00:00:00:01") { text in
            MACAddress(text).flatMap { $0.isUnicast ? $0 : nil }
        }
    }

    func address(_ key: String) throws(Problem) -> IPAddress? {
        try parsed(key, as: "an IP address such as 10.0.0.1 or fd00::1") { IPAddress($0) }
    }

    /// An address with its prefix length; without one, the one address, as ip(8) has it.
    func prefix(_ key: String) throws(Problem) -> IPPrefix? {
        try parsed(key, as: Self.prefixRule) { IPPrefix($0) }
    }

    /// Addresses with their prefix lengths, as ``prefix(_:)``, each given once.
    func prefixes(_ key: String) throws(Problem) -> [IPPrefix]? {
        guard let items = try array(key, atMost: 64) else { return nil }
        var prefixes: [IPPrefix] = []
        for (number, item) in items.enumerated() {
            guard let prefix = item.string.flatMap({ IPPrefix($0) }) else {
                throw problem("\(key).\(number)", "The value is \(Self.prefixRule).")
            }
            guard !prefixes.contains(prefix) else { throw problem("\(key).\(number)", "The address is given twice.") }
            prefixes.append(prefix)
        }
        return prefixes
    }

    static let prefixRule = "an address with its prefix length, such as 10.0.0.1/24 or fd00::1/64"

    /// The largest packet of a link, in bytes; what a kind of link takes of this the kernel knows.
    func mtu() throws(Problem) -> Int64? { try integer("mtu", in: 68...65_535) }

    private func parsed<Value>(
        _ key: String, as rule: String, _ parse: (String) -> Value?
    ) throws(Problem) -> Value? {
        guard let text = try string(key) else { return nil }
        guard let value = parse(text) else { throw problem(key, "The value is \(rule).") }
        return value
    }
}
