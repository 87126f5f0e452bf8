import FoundationEssentials
import NamespaceCore

/// A request body: decoded strictly, so that a misspelt or misplaced field is refused instead of ignored.
protocol RequestBody: Decodable {
    associatedtype Key: CodingKey & CaseIterable
    init(from container: KeyedDecodingContainer<Key>) throws
}

extension RequestBody {
    init(from decoder: any Decoder) throws {
        let known = Key.allCases.map(\.stringValue)
        for key in try decoder.container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
            throw Problem(
                .invalidField, "There is no such field; the fields are \(known.joined(separator: ", ")).",
                field: key.stringValue)
        }
        try self.init(from: try decoder.container(keyedBy: Key.self))
    }

    /// Decodes a body; an empty one is an empty object.
    static func decode(_ body: [UInt8]) throws(Problem) -> Self {
        guard !hasTrailingComma(body) else {
            throw Problem(.malformedJSON, "The body has a comma before a closing bracket (RFC 8259 has none).")
        }
        do {
            return try JSONDecoder().decode(Self.self, from: body.isEmpty ? Data("{}".utf8) : Data(body))
        } catch let problem as Problem {
            throw problem
        } catch DecodingError.typeMismatch(let type, let context) {
            throw Problem(
                .invalidField, "The value has another JSON type than \(type) is written as.",
                field: Self.field(context.codingPath))
        } catch DecodingError.valueNotFound(_, let context) {
            throw Problem(
                .invalidField, "null is no value here; leave the field out instead.",
                field: Self.field(context.codingPath))
        } catch {
            throw Problem(.malformedJSON, "The body is not well-formed JSON (RFC 8259).")
        }
    }

    /// Foundation's decoder takes a comma before a closing bracket for nothing.
    private static func hasTrailingComma(_ body: [UInt8]) -> Bool {
        var (isInString, isEscaped) = (false, false)
        var last: UInt8 = 0
        for byte in body where isInString || !" \t\r\n".utf8.contains(byte) {
            if isInString {
                isInString = isEscaped || byte != UInt8(ascii: "\"")
                isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
                continue
            }
            if last == UInt8(ascii: ","), byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") { return true }
            isInString = byte == UInt8(ascii: "\"")
            last = byte
        }
        return false
    }

    private static func field(_ path: [any CodingKey]) -> String {
        path.isEmpty ? "(body)" : path.map(\.stringValue).joined(separator: ".")
    }
}

private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

extension KeyedDecodingContainer {
    /// A string that may be left out, but not null.
    func string(_ key: Key) throws -> String? {
        contains(key) ? try decode(String.self, forKey: key) : nil
    }

    /// The `loopback` field that bodies share; up where it is left out.
    func loopback(_ key: Key) throws -> Loopback {
        guard let text = try string(key) else { return .up }
        guard let loopback = Loopback(rawValue: text) else {
            throw Problem(.invalidField, "loopback is up or down.", field: key.stringValue)
        }
        return loopback
    }
}
