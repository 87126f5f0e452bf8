import Testing

@testable import MicroHTTP

@Suite("Splitting and decoding request targets") struct RequestTargetTests {
    private func segments(_ text: String) throws -> [String] {
        try RequestTarget(parsing: Array(text.utf8)).segments.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(
        "segments are split first and decoded after",
        arguments: [
            ("/", [""]), ("/v1/a", ["v1", "a"]), ("/v1/", ["v1", ""]), ("//a", ["", "a"]),
            ("/v1/a%2Fb", ["v1", "a/b"]), ("/a%20b?x", ["a b"]), ("/%C3%A4", ["ä"]), ("/a+b", ["a+b"]),
            ("http://host:80/a", ["a"]), ("HTTP://host/a?b", ["a"]),
        ])
    func segments(text: String, expected: [String]) throws {
        #expect(try segments(text) == expected)
    }

    @Test("bytes that are not UTF-8 stay what they are") func bytes() throws {
        #expect(try RequestTarget(parsing: Array("/%ff%FE".utf8)).segments == [[0xff, 0xfe]])
    }

    @Test("a query is split into names and values, decoded strictly") func query() throws {
        let query = try RequestTarget(parsing: Array("/a?b=1&c&d=%26=e&&".utf8)).query
        #expect(query.map { String(decoding: $0.name, as: UTF8.self) } == ["b", "c", "d"])
        #expect(query.map { String(decoding: $0.value, as: UTF8.self) } == ["1", "", "&=e"])
    }

    @Test(
        "what no name can be is refused",
        arguments: [
            ("/a%00b", RequestTarget.Malformation.forbiddenByte), ("/a\u{1}", .forbiddenByte), ("/ä", .forbiddenByte),
            ("/a\u{7f}", .forbiddenByte), ("/a%2", .badEscape), ("/a%", .badEscape), ("/a%zz", .badEscape),
            ("/a/../b", .dotSegment), ("/.", .dotSegment), ("/a/%2e%2E", .dotSegment), ("a", .notAPath),
            ("", .notAPath), ("*", .notAPath), ("http://host", .notAPath), ("http:///a", .notAPath),
            ("/a#b", .forbiddenByte), ("/a?b#c", .forbiddenByte), ("http://u@h/a", .badAuthority),
            ("ftp://h/a", .notAPath), ("/a?b=%0", .badEscape), ("/a?b=%00", .forbiddenByte),
        ])
    func refused(text: String, expected: RequestTarget.Malformation) {
        #expect(throws: expected) { try RequestTarget(parsing: Array(text.utf8)) }
    }
}
