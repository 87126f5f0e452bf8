import JSONText

/// Names and values that clients give to namespaces, to find them again by; within the limits of Kubernetes
/// ("Labels and Selectors", Syntax and character set).
package struct Labels: Sendable, Equatable {
    package private(set) var values: [String: String] = [:]

    /// The most labels of one namespace.
    package static let most = 64

    /// Why a set of labels is not allowed.
    package struct Violation: Error, Equatable {
        /// The label that is not; nil when there are too many.
        package let key: String?
        /// For a person: what is allowed.
        package let rule: String
    }

    /// No labels.
    package init() {}

    package init(_ values: [String: String]) throws(Violation) {
        guard values.count <= Self.most else {
            throw Violation(key: nil, rule: "There are at most \(Self.most) labels.")
        }
        for (key, value) in values {
            guard Self.isKey(key) else { throw Violation(key: key, rule: Self.keyRule) }
            guard Self.isValue(value) else { throw Violation(key: key, rule: Self.valueRule) }
        }
        self.values = values
    }

    /// Labels from a record of our own; nil when they are none.
    init?(stored value: JSONValue?) {
        guard case .object(let members)? = value else { return nil }
        for (key, member) in members {
            guard let text = member.string else { return nil }
            values[key] = text
        }
    }

    package subscript(_ key: String) -> String? { values[key] }

    /// The labels with a merge patch applied (RFC 7396): nil removes.
    package func merging(_ patch: [String: String?]) throws(Violation) -> Labels {
        var merged = values
        for (key, value) in patch { merged[key] = value }
        return try Labels(merged)
    }

    package static let keyRule = """
        A label's key is [PREFIX/]NAME: NAME 1 to 63 of A-Z a-z 0-9 - _ . that begins and ends with a letter or digit, \
        PREFIX a lower-case DNS name of up to 253.
        """
    package static let valueRule =
        "A label's value is empty, or 1 to 63 of A-Z a-z 0-9 - _ . that begins and ends with a letter or digit."

    package static func isKey(_ key: String) -> Bool {
        let parts = key.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        switch parts.count {
        case 1: return isName(parts[0])
        case 2: return isPrefix(parts[0]) && isName(parts[1])
        default: return false
        }
    }

    package static func isValue(_ value: String) -> Bool { value.isEmpty || isName(value.utf8[...]) }

    private static func isName(_ text: Substring.UTF8View) -> Bool {
        (1...63).contains(text.count) && isEnd(text.first) && isEnd(text.last)
            && text.allSatisfy { isEnd($0) || "-_.".utf8.contains($0) }
    }

    private static func isPrefix(_ text: Substring.UTF8View) -> Bool {
        guard (1...253).contains(text.count) else { return false }
        return text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.count) && isEnd(label.first) && isEnd(label.last)
                && label.allSatisfy { isEnd($0) || $0 == UInt8(ascii: "-") }
                && !label.contains { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
        }
    }

    private static func isEnd(_ byte: UInt8?) -> Bool {
        guard let byte else { return false }
        return NamespaceName.isAlphanumeric(byte)
    }
}

/// Which namespaces are meant.
package struct Selector: Sendable, Equatable {
    /// One condition on the labels; all must hold.
    package enum Requirement: Sendable, Hashable {
        /// `key=value`
        case equals(String, String)
        /// `key!=value`, which also holds where there is no such label, as in Kubernetes.
        case differs(String, String)
        /// `key`
        case exists(String)

        /// nil when `text` has none of the three forms, or its key or value cannot be one.
        package init?(_ text: String) {
            let sides = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2 else {
                self = .exists(text)
                if !Labels.isKey(text) { return nil }
                return
            }
            let isNegated = sides[0].hasSuffix("!")
            let key = isNegated ? String(sides[0].dropLast()) : sides[0]
            guard Labels.isKey(key), Labels.isValue(sides[1]) else { return nil }
            self = isNegated ? .differs(key, sides[1]) : .equals(key, sides[1])
        }

        func holds(for labels: Labels) -> Bool {
            switch self {
            case .equals(let key, let value): labels[key] == value
            case .differs(let key, let value): labels[key] != value
            case .exists(let key): labels[key] != nil
            }
        }
    }

    package var requirements: [Requirement] = []
    package var state: Namespace.State?
    package var origin: Namespace.Origin?
    /// What names begin with.
    package var prefix: [UInt8] = []

    /// Everything.
    package init() {}

    /// Whether names alone decide.
    var isByName: Bool { requirements.isEmpty && state == nil && origin == nil }

    /// Whether a namespace with such a name is meant, its name aside.
    func matches(state: Namespace.State, record: NamespaceRecord?) -> Bool {
        (self.state.map { $0 == state } ?? true)
            && (origin.map { $0 == record?.origin ?? .external } ?? true)
            && requirements.allSatisfy { $0.holds(for: record?.labels ?? Labels()) }
    }
}
