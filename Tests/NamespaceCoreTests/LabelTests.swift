import LinuxKit
import Testing

@testable import NamespaceCore

@Suite("Labels and selectors") struct LabelTests {
    @Test(
        "keys and values are those of Kubernetes",
        arguments: [
            ("a", true), ("app.kubernetes.io/name", true), ("A-b_c.9", true),
            (String(repeating: "x", count: 63), true),
            (String(repeating: "x", count: 64), false), ("", false), ("-a", false), ("a-", false), ("a b", false),
            ("/a", false), ("a/", false), ("A.b/c", false), ("a/b/c", false), ("a..b/c", false), ("é", false),
            ("a/\(String(repeating: "x", count: 63))", true),
            ("\(String(repeating: "a.", count: 126))a/x", true), ("\(String(repeating: "a.", count: 127))a/x", false),
        ])
    func keys(key: String, isAllowed: Bool) throws {
        #expect(Labels.isKey(key) == isAllowed)
        if !key.contains("/") { #expect(Labels.isValue(key) == (isAllowed || key.isEmpty)) }
    }

    @Test("there is a most of labels") func count() throws {
        let values = Dictionary(uniqueKeysWithValues: (0..<Labels.most).map { ("k\($0)", "") })
        #expect(try Labels(values).values.count == Labels.most)
        #expect(throws: Labels.Violation.self) { try Labels(values.merging(["more": ""]) { $1 }) }
    }

    @Test("a requirement has one of three forms") func requirements() {
        #expect(Selector.Requirement("a=b") == .equals("a", "b"))
        #expect(Selector.Requirement("a=") == .equals("a", ""))
        #expect(Selector.Requirement("a!=b") == .differs("a", "b"))
        #expect(Selector.Requirement("x.y/a") == .exists("x.y/a"))
        for text in ["", "=b", "!=b", "a==b", "!a", "a=b=c", "a b"] {
            #expect(Selector.Requirement(text) == nil, "\(text)")
        }
    }

    @Test("records come back as they were written") func records() throws {
        let name = try name("a")
        let odd = try #require(NamespaceName(bytes: [0xff, 0x25, 0x2e]))
        let record = NamespaceRecord(
            adopting: .init(device: 4, inode: 5, cookie: nil), at: Timestamp(milliseconds: 1), by: nil, bootID: "b")
        for name in [name, odd] {
            let read = try #require(NamespaceRecord.parse(record.text(for: name, sequence: 7)))
            #expect(!record.text(for: name).contains(UInt8(ascii: "\n")))
            #expect(read.name == name)
            #expect(read.record == record)
            #expect(read.sequence == 7)
        }
        #expect(NamespaceRecord.parse(Array("{}".utf8)) == nil)
    }

    @Test(
        "timestamps are RFC 3339",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_487_565_546, "2026-11-24T02:32:45.546Z"), (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
        ] as [(Int64, String)])
    func timestamps(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
    }
}
