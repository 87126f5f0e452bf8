import NamespaceCore
import Testing

@testable import API

@Suite("If-Match") struct IfMatchTests {
    @Test(
        "is * or a list of tags, which may have commas in them and nothing between them; weak ones match nothing",
        arguments: [
            ("*", Precondition.any), (" * ", .any), (#""a""#, .tags(["a"])), (#""a", "b""#, .tags(["a", "b"])),
            (#""a","b""#, .tags(["a", "b"])), (" , \"a\" ,, \"b\"\t,", .tags(["a", "b"])),
            (#""a,b""#, .tags(["a,b"])), (#"",", "*""#, .tags([",", "*"])), (#"W/"a""#, .tags([])),
            (#"W/"a", "b""#, .tags(["b"])), (#"""#, nil), (#""""#, .tags([""])), ("", nil), (" ", nil), (",", nil),
            ("a", nil), (#""a"#, nil), (#"a""#, nil), (#""a" "b""#, nil), (#""a"b"#, nil), (#""a b""#, nil),
            (#""a", b"#, nil), (#"*, "a""#, nil), (#""a", *"#, nil), ("*, *", nil), ("**", nil), (#"w/"a""#, nil),
            (#"W/ "a""#, nil), ("W/", nil), (#"W"a""#, nil), (#""é""#, nil), ("\"a\u{7f}\"", nil),
        ])
    func values(text: String, expected: Precondition?) {
        #expect(Precondition(ifMatch: text) == expected, "\(text)")
    }

    @Test(
        "If-None-Match is the same, but that weak tags are tags",
        arguments: [
            ("*", Precondition.any), (#""a", W/"b""#, .tags(["a", "b"])), (#"W/"a""#, .tags(["a"])), ("W/", nil),
            ("", nil), ("a", nil),
        ])
    func exclusions(text: String, expected: Precondition?) {
        #expect(Precondition(ifNoneMatch: text) == expected, "\(text)")
    }
}
