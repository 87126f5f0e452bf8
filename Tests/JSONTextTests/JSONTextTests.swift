import Testing

@testable import JSONText

@Suite("JSON text") struct JSONTextTests {
    private func parse(_ text: String) throws(JSONMalformation) -> JSONValue {
        try JSONValue(parsing: Array(text.utf8))
    }

    @Test("every kind of value is read") func values() throws {
        let text = #" {"a" : [1, -0, 2.5e1, true, false, null, "x\u00e9\ud83d\ude00\n"], "b": {}, "c": []} "#
        let expected = JSONValue.object([
            "a": .array([
                .integer(1), .integer(0), .number(25), .bool(true), .bool(false), .null, .string("xé😀\n"),
            ]),
            "b": .object([:]), "c": .array([]),
        ])
        #expect(try parse(text) == expected)
    }

    @Test(
        "what RFC 8259 has not is refused, with where it stands",
        arguments: [
            ("", JSONMalformation.Reason.unexpectedEnd, 0), ("{", .unexpectedEnd, 1), ("[1", .unexpectedEnd, 2),
            (#"{"a"}"#, .unexpectedByte, 4), ("[1,]", .unexpectedByte, 3), (#"{"a":1,}"#, .unexpectedByte, 7),
            ("{'a':1}", .unexpectedByte, 1), ("tru", .unexpectedEnd, 3), ("trux", .unexpectedByte, 3),
            ("1 2", .trailingText, 2), ("{} //", .trailingText, 3), ("01", .badNumber, 0), ("-", .unexpectedEnd, 1),
            ("1.", .badNumber, 2), ("1e999", .badNumber, 0), ("+1", .unexpectedByte, 0), (".5", .unexpectedByte, 0),
            (#""a"#, .unexpectedEnd, 2), ("\"a\u{1}\"", .badString, 2), (#""\x""#, .badString, 3),
            (#""\ud800""#, .badString, 7), (#""\ud800\u0041""#, .badString, 13), (#""\u00g0""#, .badString, 5),
            (#"{"a":1,"a":2}"#, .duplicateKey, 7), (#"{"a":1,"\u0061":2}"#, .duplicateKey, 7),
            ("NaN", .unexpectedByte, 0), ("\u{feff}{}", .unexpectedByte, 0),
        ])
    func malformed(text: String, reason: JSONMalformation.Reason, offset: Int) {
        #expect(throws: JSONMalformation(reason: reason, offset: offset)) { try parse(text) }
    }

    @Test("bytes that are not UTF-8 are refused") func notUTF8() {
        for bytes: [UInt8] in [[0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22]] {
            #expect(throws: JSONMalformation(reason: .badString, offset: 0)) { try JSONValue(parsing: bytes) }
        }
    }

    @Test("nesting has a limit that a hostile text cannot pass") func depth() throws {
        let limit = JSONValue.depthLimit
        #expect(throws: Never.self) {
            try parse(String(repeating: "[", count: limit) + "1" + String(repeating: "]", count: limit))
        }
        #expect(throws: JSONMalformation(reason: .tooDeep, offset: limit + 1)) {
            try parse(String(repeating: "[", count: 60_000))
        }
    }

    @Test("what is written can be read again") func roundTrip() throws {
        let text = JSONWriter.text { writer in
            writer.object { writer in
                writer.member("text", "\"\\\n\u{1}é")
                writer.member("none", nil as String?)
                writer.member("number", Int64.min)
                writer.member("flag", true)
                writer.member("names", ["a", "b"])
                writer.member("labels", ["z": "1", "a": "2"])
                writer.key("empty")
                writer.array { _ in }
                writer.key("raw")
                writer.raw("{}".utf8)
                writer.member("after", 1)
            }
        }
        #expect(
            String(decoding: text, as: UTF8.self) == """
                {"text":"\\"\\\\\\n\\u0001é","none":null,"number":-9223372036854775808,"flag":true,"names":["a","b"],\
                "labels":{"a":"2","z":"1"},"empty":[],"raw":{},"after":1}

                """)
        let value = try JSONValue(parsing: text)
        #expect(value["text"]?.string == "\"\\\n\u{1}é")
        #expect(value["number"]?.int64 == .min)
        #expect(value["number"]?.uint64 == nil)
    }

    @Test("whole numbers of every size are written as Swift writes them")
    func wholeNumbers() {
        for number in [0, 7, 10, 99, 100, 1_000_000_007, UInt64.max - 1, .max] {
            #expect(text { $0.value(number) } == "\(number)")
        }
        for number in [Int64.min, -1_000, -10, -9, -1, 0, 1, .max] {
            #expect(text { $0.value(number) } == "\(number)")
        }
        for number in [Int.min, -1, 0, .max] { #expect(text { $0.value(number) } == "\(number)") }
        for number in [Int32.min, -5, 0, .max] {
            #expect(text { $0.value(number) } == "\(number)")
            #expect(text { $0.member("a", number) } == "\"a\":\(number)")
        }
        #expect(text { $0.member("a", UInt16.max) } == "\"a\":65535")
        #expect(text { $0.member("a", UInt32.max) } == "\"a\":4294967295")
        #expect(text { $0.member("a", UInt64.max) } == "\"a\":18446744073709551615")
        #expect(text { $0.member("a", nil as UInt64?) } == "\"a\":null")
    }

    private func text(_ write: (inout JSONWriter) -> Void) -> String {
        String(decoding: JSONWriter.text(write).dropLast(), as: UTF8.self)
    }
}
