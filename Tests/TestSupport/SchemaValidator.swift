import Foundation

/// Validates values against the subset of JSON Schema that the description uses.
package struct SchemaValidator: Sendable {
    private let document: OpenAPIDocument

    /// Validates with references resolved in `document`.
    package init(_ document: OpenAPIDocument) { self.document = document }

    private static let known: Set<String> = [
        "$ref", "type", "properties", "required", "additionalProperties", "propertyNames", "maxProperties", "enum",
        "const", "pattern", "minimum", "maximum", "minLength", "maxLength", "items", "minItems", "maxItems", "oneOf",
        "anyOf", "allOf", "not", "format", "description", "title", "examples", "example", "default",
    ]

    /// What is wrong with `value`, each with where it is; empty when nothing is.
    package func failures(of value: JSONValue, against schema: JSONValue, at place: String = "$") throws -> [String] {
        guard let keywords = schema.object else { throw TestFailure("\(place): the schema is no object") }
        if let unknown = keywords.keys.first(where: { !Self.known.contains($0) }) {
            throw TestFailure("\(place): the validator does not know the keyword \(unknown)")
        }
        var failures: [String] = []
        if let reference = schema["$ref"]?.string {
            failures += try self.failures(of: value, against: document.target(of: reference), at: place)
        }
        failures += Self.simpleFailures(of: value, against: schema, at: place)
        if case .object(let members) = value {
            failures += try memberFailures(of: members, against: schema, at: place)
        }
        if case .array(let items) = value {
            failures += try itemFailures(of: items, against: schema, at: place)
        }
        return try failures + combinationFailures(of: value, against: schema, at: place)
    }

    private func memberFailures(
        of members: [String: JSONValue], against schema: JSONValue, at place: String
    ) throws -> [String] {
        var failures: [String] = []
        for key in schema["required"]?.array ?? [] {
            if let key = key.string, members[key] == nil { failures.append("\(place).\(key): missing") }
        }
        if let limit = schema["maxProperties"]?.int, members.count > limit {
            failures.append("\(place): too many members")
        }
        for (key, member) in members {
            if let nameSchema = schema["propertyNames"] {
                failures += try self.failures(of: .string(key), against: nameSchema, at: "\(place).\(key)")
            }
            if let memberSchema = schema["properties"]?[key] {
                failures += try self.failures(of: member, against: memberSchema, at: "\(place).\(key)")
            } else if schema["additionalProperties"] == .bool(false) {
                failures.append("\(place).\(key): undocumented")
            } else if let others = schema["additionalProperties"], others.object != nil {
                failures += try self.failures(of: member, against: others, at: "\(place).\(key)")
            }
        }
        return failures
    }

    private func itemFailures(
        of items: [JSONValue], against schema: JSONValue, at place: String
    ) throws -> [String] {
        var failures: [String] = []
        if let limit = schema["minItems"]?.int, items.count < limit { failures.append("\(place): too few items") }
        if let limit = schema["maxItems"]?.int, items.count > limit { failures.append("\(place): too many items") }
        guard let itemSchema = schema["items"] else { return failures }
        for (index, item) in items.enumerated() {
            failures += try self.failures(of: item, against: itemSchema, at: "\(place)[\(index)]")
        }
        return failures
    }

    private func combinationFailures(
        of value: JSONValue, against schema: JSONValue, at place: String
    ) throws -> [String] {
        var failures: [String] = []
        for part in schema["allOf"]?.array ?? [] {
            failures += try self.failures(of: value, against: part, at: place)
        }
        for (keyword, allowed) in [("oneOf", 1...1), ("anyOf", 1...Int.max)] {
            guard let parts = schema[keyword]?.array else { continue }
            let matches = try parts.count { try self.failures(of: value, against: $0, at: place).isEmpty }
            if !allowed.contains(matches) { failures.append("\(place): matches \(matches) of \(keyword)") }
        }
        if let excluded = schema["not"], try self.failures(of: value, against: excluded, at: place).isEmpty {
            failures.append("\(place): matches what it must not")
        }
        return failures
    }

    private static func simpleFailures(of value: JSONValue, against schema: JSONValue, at place: String) -> [String] {
        var failures: [String] = []
        if let type = schema["type"] {
            let types = (type.array ?? [type]).compactMap(\.string)
            if !types.contains(where: { value.isOfType($0) }) { failures.append("\(place): not of type \(types)") }
        }
        if let allowed = schema["enum"]?.array, !allowed.contains(value) {
            failures.append("\(place): \(value) is none of \(allowed)")
        }
        if let constant = schema["const"], constant != value { failures.append("\(place): not \(constant)") }
        if let number = value.number {
            if let minimum = schema["minimum"]?.number, number < minimum { failures.append("\(place): too small") }
            if let maximum = schema["maximum"]?.number, number > maximum { failures.append("\(place): too large") }
        }
        if let text = value.string { failures += textFailures(of: text, against: schema, at: place) }
        return failures
    }

    private static func textFailures(of text: String, against schema: JSONValue, at place: String) -> [String] {
        var failures: [String] = []
        let length = text.unicodeScalars.count
        if let minimum = schema["minLength"]?.int, length < minimum { failures.append("\(place): too short") }
        if let maximum = schema["maxLength"]?.int, length > maximum { failures.append("\(place): too long") }
        if let pattern = schema["pattern"]?.string, text.range(of: pattern, options: .regularExpression) == nil {
            failures.append("\(place): \(text) does not match \(pattern)")
        }
        if schema["format"] == "date-time" {
            let form = #"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"#
            let seconds = text.replacingOccurrences(of: #"\.\d+"#, with: "", options: .regularExpression)
            if text.range(of: form, options: .regularExpression) == nil
                || (try? Date(seconds, strategy: .iso8601)) == nil
            {
                failures.append("\(place): \(text) is no date-time")
            }
        }
        return failures
    }
}

extension JSONValue {
    fileprivate func isOfType(_ type: String) -> Bool {
        switch (type, self) {
        case ("null", .null), ("boolean", .bool), ("integer", .int), ("number", .int), ("number", .double),
            ("string", .string), ("array", .array), ("object", .object):
            true
        default: false
        }
    }
}
