/// Writes JSON text (RFC 8259) straight into bytes, in the order the members are given.
///
/// It is on the way of every request; measured on a namespace, `JSONEncoder` takes ten times as long.
package struct JSONWriter: Sendable {
    /// What has been written so far.
    package private(set) var bytes: [UInt8] = []
    /// Whether a value stands before the place of the next one in the same array or object.
    private var needsComma = false

    /// - Parameter capacity: How many bytes to make room for.
    package init(capacity: Int = 256) {
        bytes.reserveCapacity(capacity)
    }

    /// The text of one value, followed by a newline for the sake of terminals.
    package static func text(capacity: Int = 256, _ write: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(capacity: capacity)
        write(&writer)
        writer.bytes.append(UInt8(ascii: "\n"))
        return writer.bytes
    }

    /// Writes an object whose members `body` writes.
    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        nest(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }

    /// Writes an array whose elements `body` writes.
    package mutating func array(_ body: (inout JSONWriter) -> Void) {
        nest(UInt8(ascii: "["), UInt8(ascii: "]"), body)
    }

    /// Writes an array with one element for each of `elements`.
    package mutating func array<Elements: Sequence>(
        of elements: Elements, _ write: (inout JSONWriter, Elements.Element) -> Void
    ) {
        array { writer in
            for element in elements { write(&writer, element) }
        }
    }

    /// Writes the name of a member, which has nothing in it to escape; its value comes next.
    package mutating func key(_ key: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        unsafe bytes.append(contentsOf: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount))
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// The same with a name that is known only now.
    package mutating func key(named key: String) {
        separate()
        quote(key)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func null() { literal("null") }
    package mutating func value(_ value: Bool) { literal(value ? "true" : "false") }
    // One for each type: in other modules generic code stays generic, and takes ten times as long.
    package mutating func value(_ value: Int) { whole(UInt64(value.magnitude), isNegative: value < 0) }
    package mutating func value(_ value: Int32) { self.value(Int(value)) }
    package mutating func value(_ value: Int64) { whole(value.magnitude, isNegative: value < 0) }
    package mutating func value(_ value: UInt64) { whole(value, isNegative: false) }
    /// A finite number, which Swift writes as JSON does; a whole one without its fraction, which a reader in Go would
    /// refuse where it expects a whole one.
    package mutating func value(_ value: Double) {
        literal(Int64(exactly: value).map { String($0) } ?? String(value))
    }

    package mutating func value(_ value: String) {
        separate()
        quote(value)
        needsComma = true
    }

    /// Writes text that is a JSON value already.
    package mutating func raw(_ text: some Collection<UInt8>) {
        separate()
        bytes.append(contentsOf: text)
        needsComma = true
    }

    private mutating func literal(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
        needsComma = true
    }

    /// As `String(value)` does, at a tenth of the price.
    private mutating func whole(_ magnitude: UInt64, isNegative: Bool) {
        separate()
        if isNegative { bytes.append(UInt8(ascii: "-")) }
        var rest = magnitude
        // UInt64.max has as many digits.
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var place = digits.count
        repeat {
            let digit: UInt64
            (rest, digit) = rest.quotientAndRemainder(dividingBy: 10)
            place -= 1
            digits[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)
        } while rest > 0
        while place < digits.count {
            bytes.append(digits[place])
            place += 1
        }
        needsComma = true
    }

    private mutating func nest(_ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void) {
        separate()
        bytes.append(open)
        needsComma = false
        body(&self)
        bytes.append(close)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func quote(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            // Without a way out in between, so that it is done for many bytes at once.
            var special: UInt8 = 0
            for byte in utf8 {
                special |= byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") ? 1 : 0
            }
            if special == 0 {
                bytes.append(contentsOf: utf8)
            } else {
                for byte in utf8 { escape(byte) }
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes += [UInt8(ascii: "\\"), byte]
        case UInt8(ascii: "\n"):
            bytes += Array("\\n".utf8)
        case 0..<0x20:
            let digits = Array("0123456789abcdef".utf8)
            bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        default:
            bytes.append(byte)
        }
    }
}

// MARK: - Members

extension JSONWriter {
    /// Writes a member, `null` where there is no value.
    package mutating func member(_ key: StaticString, _ value: String?) {
        self.key(key)
        if let value { self.value(value) } else { null() }
    }

    /// Writes a member, `null` where there is no value.
    package mutating func member(_ key: StaticString, _ value: Double?) {
        self.key(key)
        if let value { self.value(value) } else { null() }
    }

    /// Writes a member, `null` where there is no value.
    package mutating func member(_ key: StaticString, _ value: Int?) { member(key, value.map(Int64.init)) }

    /// Writes a member, `null` where there is no value.
    package mutating func member(_ key: StaticString, _ value: Int32?) { member(key, value.map(Int64.init)) }

    /// Writes a member, `null` where there is no value.
    package mutating func member(_ key: StaticString, _ value: UInt16?) { member(key, value.map(Int64.init)) }

    /// Writes a member, `null` where there is no value.
    package mutating func member(_ key: StaticString, _ value: UInt32?) { member(key, value.map(Int64.init)) }

    /// Writes a member, `null` where there is no value.
    package mutating func member(_ key: StaticString, _ value: Int64?) {
        self.key(key)
        if let value { self.value(value) } else { null() }
    }

    /// Writes a member, `null` where there is no value.
    package mutating func member(_ key: StaticString, _ value: UInt64?) {
        self.key(key)
        if let value { self.value(value) } else { null() }
    }

    /// Writes a member, `null` where there is no value.
    package mutating func member(_ key: StaticString, _ value: Bool?) {
        self.key(key)
        if let value { self.value(value) } else { null() }
    }

    /// Writes a member whose value is an object with the members that `members` writes.
    package mutating func member(_ key: StaticString, _ members: (inout JSONWriter) -> Void) {
        self.key(key)
        object(members)
    }

    /// Writes a member whose value is an array of strings.
    package mutating func member(_ key: StaticString, _ values: [String]) {
        self.key(key)
        array(of: values) { $0.value($1) }
    }

    /// Writes a member whose value is an object of strings, sorted by name.
    package mutating func member(_ key: StaticString, _ values: [String: String]) {
        self.key(key)
        object { writer in
            for (name, value) in values.sorted(by: { $0.key < $1.key }) { writer.member(named: name, value) }
        }
    }

    /// Writes a member whose name is known only now, `null` where there is no value.
    package mutating func member(named key: String, _ value: String?) {
        self.key(named: key)
        if let value { self.value(value) } else { null() }
    }
}

// MARK: - Parsed values

extension JSONWriter {
    /// Writes a value as it was parsed; the members of objects are sorted by name.
    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let value): self.value(value)
        case .integer(let value): self.value(value)
        case .number(let value): self.value(value)
        case .string(let value): self.value(value)
        case .array(let elements): array(of: elements) { $0.value($1) }
        case .object(let members):
            object { writer in
                for (key, member) in members.sorted(by: { $0.key < $1.key }) {
                    writer.key(named: key)
                    writer.value(member)
                }
            }
        }
    }
}

extension JSONValue {
    /// The value as text.
    package var text: [UInt8] {
        var writer = JSONWriter()
        writer.value(self)
        return writer.bytes
    }

    /// The elements, nil where this is no array.
    package var array: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members, nil where this is no object.
    package var object: [String: JSONValue]? {
        guard case .object(let members) = self else { return nil }
        return members
    }
}
