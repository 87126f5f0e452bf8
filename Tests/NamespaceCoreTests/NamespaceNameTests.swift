import Testing

@testable import NamespaceCore

@Suite("Names") struct NamespaceNameTests {
    @Test("names that we create", arguments: ["a", "0", "cni-6f1e", "A_b.c-d", String(repeating: "x", count: 64)])
    func creatable(text: String) throws {
        #expect(try #require(NamespaceName(bytes: Array(text.utf8))).isCreatable)
    }

    @Test(
        "names that others may have and we do not create",
        arguments: ["-a", ".a", "_a", "a b", "ä", "a\n", "a%", String(repeating: "x", count: 65)])
    func foreign(text: String) throws {
        #expect(try !#require(NamespaceName(bytes: Array(text.utf8))).isCreatable)
    }

    @Test("what is no file name", arguments: ["", ".", "..", "a/b", "a\0b", String(repeating: "x", count: 256)])
    func impossible(text: String) {
        #expect(NamespaceName(bytes: Array(text.utf8)) == nil)
    }

    @Test("generated names have the seed's shape and differ") func generated() throws {
        let names = try (0..<100).map { _ in try #require(NamespaceName.generate(prefix: "cni")) }
        #expect(Set(names).count == 100)
        for name in names {
            #expect(name.isCreatable)
            let groups = name.description.split(separator: "-").map(\.count)
            #expect(groups == [3, 8, 4, 4, 4, 12])
        }
        let longest = String(repeating: "p", count: NamespaceName.longestPrefix)
        #expect(try #require(NamespaceName.generate(prefix: longest)).isCreatable)
        #expect(NamespaceName.isPrefix(longest))
        #expect(!NamespaceName.isPrefix(longest + "p"))
        #expect(!NamespaceName.isPrefix("-"))
    }

    @Test("text and path segment of names that are not plain") func text() throws {
        let odd = try #require(NamespaceName(bytes: [0x61, 0xff, 0x25, 0x20]))
        #expect(odd.description == "a%FF%25%20")
        #expect(odd.pathSegment == "a%FF%25%20")
        let umlaut = try #require(NamespaceName(bytes: Array("ä b".utf8)))
        #expect(umlaut.description == "ä b")
        #expect(umlaut.pathSegment == "%C3%A4%20b")
    }
}
