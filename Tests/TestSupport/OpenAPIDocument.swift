package import Foundation
import Yams

/// The hand-written OpenAPI description, with its references resolved on demand.
package struct OpenAPIDocument: Sendable {
    package let root: JSONValue

    /// Wraps a parsed document.
    package init(root: JSONValue) { self.root = root }

    /// The description that lies in this checkout, read once: parsing it takes longer than a daemon takes to start.
    static let shared = Result { try OpenAPIDocument() }

    /// Reads the description that lies in this checkout.
    package init() throws {
        let checkout = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        try self.init(yaml: Data(contentsOf: checkout.appending(path: "openapi/openapi.yaml")))
    }

    /// Parses YAML text.
    package init(yaml: Data) throws {
        root = try Self.convert(Yams.load(yaml: String(decoding: yaml, as: UTF8.self)))
    }

    /// Follows `$ref` until there is none.
    package func resolve(_ value: JSONValue?) throws -> JSONValue? {
        var value = value
        for _ in 0..<16 {
            guard let reference = value?["$ref"]?.string else { return value }
            value = try target(of: reference)
        }
        throw TestFailure("references go round in circles")
    }

    /// What a local reference, `#/…`, points to.
    package func target(of reference: String) throws -> JSONValue {
        guard reference.hasPrefix("#/") else { throw TestFailure("not a local reference: \(reference)") }
        var value = root
        for step in reference.dropFirst(2).split(separator: "/") {
            let key = step.replacingOccurrences(of: "~1", with: "/").replacingOccurrences(of: "~0", with: "~")
            guard let next = value[key] else { throw TestFailure("dangling reference: \(reference)") }
            value = next
        }
        return value
    }

    /// The path template that `path` is an instance of, and its description; of several, the one with the fewest
    /// parameters, as OpenAPI says.
    package func template(for path: String) -> (template: String, item: JSONValue)? {
        let segments = path.prefix { $0 != "?" }.split(separator: "/", omittingEmptySubsequences: false)
        var best: (template: String, item: JSONValue, parameters: Int)?
        for (template, item) in root["paths"]?.object ?? [:] {
            let pattern = template.split(separator: "/", omittingEmptySubsequences: false)
            guard pattern.count == segments.count else { continue }
            let matches = zip(pattern, segments).allSatisfy { expected, actual in
                expected.hasPrefix("{") ? !actual.isEmpty : expected == actual
            }
            let parameters = pattern.count { $0.hasPrefix("{") }
            if matches, parameters < best?.parameters ?? .max { best = (template, item, parameters) }
        }
        return best.map { ($0.template, $0.item) }
    }

    private static func convert(_ value: Any?) throws -> JSONValue {
        switch value {
        case nil, is NSNull: .null
        case let value as Bool: .bool(value)
        case let value as Int: .int(value)
        case let value as Double: .double(value)
        case let value as String: .string(value)
        case let value as [Any]: .array(try value.map(convert))
        case let value as [AnyHashable: Any]:
            .object(
                try Dictionary(
                    uniqueKeysWithValues: value.map { key, member in
                        guard let key = key.base as? String else { throw TestFailure("key \(key) is not a string") }
                        return (key, try convert(member))
                    }))
        default: throw TestFailure("no JSON for \(String(describing: value))")
        }
    }
}
