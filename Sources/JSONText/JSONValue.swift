/// A parsed JSON value (RFC 8259).
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number without fraction and exponent that fits.
    case integer(Int64)
    /// Any other number.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// What the value is, in words for a person.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "true or false"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

/// Why a text is no JSON that we take, and where.
package struct JSONMalformation: Error, Equatable, CustomStringConvertible {
    package enum Reason: String, Sendable {
        case unexpectedEnd = "the text ends too early"
        case unexpectedByte = "there is a character that does not belong there"
        case trailingText = "there is more text after the value"
        case badString = "a string has a control character, a bad escape, or is not UTF-8"
        case badNumber = "a number is malformed or out of range"
        case duplicateKey = "an object has the same name twice"
        case tooDeep = "values are nested too deeply"
    }

    package let reason: Reason
    /// How many bytes stand before the place.
    package let offset: Int

    package var description: String { "\(reason.rawValue) (byte \(offset))" }
}

// MARK: - Looking in

extension JSONValue {
    /// An object's member, nil where there is none or this is no object.
    package subscript(_ key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[key]
    }

    package var string: String? {
        guard case .string(let value) = self else { return nil }
        return value
    }

    /// Any number.
    package var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// A whole number, however it is written: 60.0 is one to JSON Schema, and to clients whose numbers are all alike.
    package var int64: Int64? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int64(exactly: value)
        default: nil
        }
    }

    package var uint64: UInt64? { int64.flatMap { UInt64(exactly: $0) } }
}
