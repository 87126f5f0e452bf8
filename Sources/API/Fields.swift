import JSONText
import NamespaceCore

/// The members of a JSON object in a request, with every one known, or refused by name: a misspelt field must not be
/// ignored.
struct Fields {
    private let members: [String: JSONValue]
    /// Where the object stands in the body, ready to put a member's name behind; empty for the body itself.
    private let place: String

    /// The members of an object inside another one.
    ///
    /// - Parameter place: Where it stands in the outer one, such as `items.3`.
    init(_ value: JSONValue, at place: String, inside outer: Fields, allowing known: [String]) throws(Problem) {
        try self.init(value, place: outer.place + place, allowing: known)
    }

    private init(_ value: JSONValue, place: String, allowing known: [String]) throws(Problem) {
        self.place = place.isEmpty ? "" : "\(place)."
        guard case .object(let members) = value else {
            throw Problem(
                .invalidField, "The value is an object, not \(value.kind).", field: place.isEmpty ? "(body)" : place)
        }
        for key in members.keys.sorted() where !known.contains(key) {
            throw Problem(
                .invalidField, "There is no such field; the fields are \(known.joined(separator: ", ")).",
                field: self.place + key)
        }
        self.members = members
    }

    /// Parses a body; an empty one is an empty object.
    ///
    /// - Parameter depth: How deeply its values may be nested.
    init(body: [UInt8], depth: Int, allowing known: [String]) throws(Problem) {
        let value: JSONValue
        do throws(JSONMalformation) {
            value = body.isEmpty ? .object([:]) : try JSONValue(parsing: body, depthLimit: depth)
        } catch {
            throw Problem(.malformedJSON, "The body is not well-formed JSON (RFC 8259): \(error).")
        }
        try self.init(value, place: "", allowing: known)
    }

    /// The value of a field that may be left out.
    subscript(_ key: String) -> JSONValue? { members[key] }

    /// A string that may be left out, but not null.
    func string(_ key: String) throws(Problem) -> String? {
        switch members[key] {
        case nil: return nil
        case .string(let text)?: return text
        case let other?: throw wrongType(key, "a string", other)
        }
    }

    /// A whole number that may be left out, but not null.
    func integer(_ key: String, in range: ClosedRange<Int64>) throws(Problem) -> Int64? {
        guard let value = members[key] else { return nil }
        if let number = value.int64, range.contains(number) { return number }
        guard value.double != nil else { throw wrongType(key, "a whole number", value) }
        throw problem(key, "The value is a whole number from \(range.lowerBound) to \(range.upperBound).")
    }

    /// True or false, but not null; false where it is left out.
    func flag(_ key: String) throws(Problem) -> Bool {
        switch members[key] {
        case nil: return false
        case .bool(let value)?: return value
        case let other?: throw wrongType(key, "true or false", other)
        }
    }

    /// The problem of a field whose value is not allowed.
    func problem(_ key: String, _ detail: String) -> Problem {
        Problem(.invalidField, detail, field: place + key)
    }

    private func wrongType(_ key: String, _ expected: String, _ value: JSONValue) -> Problem {
        value == .null
            ? problem(key, "null is no value here; leave the field out instead.")
            : problem(key, "The value is \(expected), not \(value.kind).")
    }
}
