extension JSONValue {
    /// How deeply values may be nested where nobody says otherwise.
    package static let depthLimit = 32

    /// Parses one value, strictly: no comments, no trailing commas, no name twice in an object, nothing after the
    /// value.
    package init(parsing text: [UInt8], depthLimit: Int = depthLimit) throws(JSONMalformation) {
        var parser = JSONParser(text: text, depthLimit: depthLimit)
        self = try parser.document()
    }
}

/// A recursive-descent parser over bytes.
private struct JSONParser {
    let text: [UInt8]
    let depthLimit: Int
    var index = 0

    init(text: [UInt8], depthLimit: Int) {
        self.text = text
        self.depthLimit = depthLimit
    }

    mutating func document() throws(JSONMalformation) -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        guard index == text.count else { throw failure(.trailingText) }
        return value
    }

    private mutating func value(depth: Int) throws(JSONMalformation) -> JSONValue {
        guard depth <= depthLimit else { throw failure(.tooDeep) }
        skipSpace()
        switch try peek() {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        default: return try number()
        }
    }

    private mutating func object(depth: Int) throws(JSONMalformation) -> JSONValue {
        index += 1
        var members: [String: JSONValue] = [:]
        if try skips(to: UInt8(ascii: "}")) { return .object(members) }
        repeat {
            skipSpace()
            guard try peek() == UInt8(ascii: "\"") else { throw failure(.unexpectedByte) }
            let start = index
            let key = try string()
            guard try skips(to: UInt8(ascii: ":")) else { throw failure(.unexpectedByte) }
            guard members.updateValue(try value(depth: depth + 1), forKey: key) == nil else {
                throw JSONMalformation(reason: .duplicateKey, offset: start)
            }
        } while try skips(to: UInt8(ascii: ","))
        guard try skips(to: UInt8(ascii: "}")) else { throw failure(.unexpectedByte) }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(JSONMalformation) -> JSONValue {
        index += 1
        var elements: [JSONValue] = []
        if try skips(to: UInt8(ascii: "]")) { return .array(elements) }
        repeat {
            elements.append(try value(depth: depth + 1))
        } while try skips(to: UInt8(ascii: ","))
        guard try skips(to: UInt8(ascii: "]")) else { throw failure(.unexpectedByte) }
        return .array(elements)
    }

    private mutating func literal(_ word: StaticString, _ value: JSONValue) throws(JSONMalformation) -> JSONValue {
        for byte in "\(word)".utf8 {
            guard try peek() == byte else { throw failure(.unexpectedByte) }
            index += 1
        }
        return value
    }

    private mutating func number() throws(JSONMalformation) -> JSONValue {
        let start = index
        skip(UInt8(ascii: "-"))
        let integerStart = index
        let digits = skipDigits()
        guard digits > 0 else { throw failure(index < text.count ? .unexpectedByte : .unexpectedEnd) }
        guard digits == 1 || text[integerStart] != UInt8(ascii: "0") else {
            throw JSONMalformation(reason: .badNumber, offset: start)
        }
        var isInteger = true
        if skip(UInt8(ascii: ".")) {
            isInteger = false
            guard skipDigits() > 0 else { throw failure(.badNumber) }
        }
        if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
            isInteger = false
            if !skip(UInt8(ascii: "+")) { skip(UInt8(ascii: "-")) }
            guard skipDigits() > 0 else { throw failure(.badNumber) }
        }
        let digitsText = String(decoding: text[start..<index], as: UTF8.self)
        if isInteger, let integer = Int64(digitsText) { return .integer(integer) }
        guard let number = Double(digitsText), number.isFinite else {
            throw JSONMalformation(reason: .badNumber, offset: start)
        }
        return .number(number)
    }

    // MARK: Strings

    private mutating func string() throws(JSONMalformation) -> String {
        let start = index
        index += 1
        let contentStart = index
        while index < text.count, text[index] != UInt8(ascii: "\""), text[index] != UInt8(ascii: "\\") {
            guard text[index] >= 0x20 else { throw failure(.badString) }
            index += 1
        }
        var bytes = text[contentStart..<min(index, text.count)]
        while try peek() != UInt8(ascii: "\"") {
            if text[index] == UInt8(ascii: "\\") {
                index += 1
                bytes.append(contentsOf: try escape())
            } else {
                guard text[index] >= 0x20 else { throw failure(.badString) }
                bytes.append(text[index])
                index += 1
            }
        }
        index += 1
        guard let string = String(utf8: bytes) else {
            throw JSONMalformation(reason: .badString, offset: start)
        }
        return string
    }

    private mutating func escape() throws(JSONMalformation) -> [UInt8] {
        let byte = try peek()
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0c]
        case UInt8(ascii: "n"): return [0x0a]
        case UInt8(ascii: "r"): return [0x0d]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return Array(String(try scalar()).utf8)
        default: throw failure(.badString)
        }
    }

    /// The scalar of `\uXXXX`, or of two of them that are a surrogate pair.
    private mutating func scalar() throws(JSONMalformation) -> Unicode.Scalar {
        let first = try codeUnit()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xdc00, index + 1 < text.count, text[index] == UInt8(ascii: "\\"),
            text[index + 1] == UInt8(ascii: "u")
        else { throw failure(.badString) }
        index += 2
        let second = try codeUnit()
        guard (0xdc00...0xdfff).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw failure(.badString) }
        return scalar
    }

    private mutating func codeUnit() throws(JSONMalformation) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(try peek())).hexDigitValue, text[index] < 0x80 else {
                throw failure(.badString)
            }
            unit = unit << 4 | UInt32(digit)
            index += 1
        }
        return unit
    }

    // MARK: Bytes

    private func failure(_ reason: JSONMalformation.Reason) -> JSONMalformation {
        JSONMalformation(reason: reason, offset: index)
    }

    private func peek() throws(JSONMalformation) -> UInt8 {
        guard index < text.count else { throw failure(.unexpectedEnd) }
        return text[index]
    }

    private mutating func skipSpace() {
        while index < text.count, [0x20, 0x0a, 0x0d, 0x09].contains(text[index]) { index += 1 }
    }

    /// Skips space and then `byte`, if it comes next.
    private mutating func skips(to byte: UInt8) throws(JSONMalformation) -> Bool {
        skipSpace()
        guard try peek() == byte else { return false }
        index += 1
        return true
    }

    @discardableResult
    private mutating func skip(_ byte: UInt8) -> Bool {
        guard index < text.count, text[index] == byte else { return false }
        index += 1
        return true
    }

    private mutating func skipDigits() -> Int {
        let start = index
        while index < text.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[index]) { index += 1 }
        return index - start
    }
}
