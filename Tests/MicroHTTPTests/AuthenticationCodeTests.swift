import MicroHTTP
import Testing

@Suite("Authentication codes") struct AuthenticationCodeTests {
    @Test(
        "are those of RFC 4231's test cases",
        arguments: [
            (
                [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
        ])
    func vectors(key: [UInt8], text: [UInt8], expected: String) throws {
        let code = try #require(AuthenticationCode(of: text, key: key))
        #expect(code.bytes.map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined() == expected)
        #expect(code.isEqual(to: code.bytes))
    }

    @Test("differ by one bit, or by their length") func comparison() throws {
        let code = try #require(AuthenticationCode(of: [1, 2, 3], key: [4]))
        var other = code.bytes
        other[31] ^= 1
        #expect(!code.isEqual(to: other))
        #expect(!code.isEqual(to: code.bytes.dropLast()))
        #expect(!code.isEqual(to: []))
    }
}
