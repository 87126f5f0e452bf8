import Foundation
import LinuxKit
import Logging
import NamespaceCore
import SystemPackage
import Testing

@testable import API

@Suite("The token file")
struct TokenFileTests {
    private static let path: FilePath = "/tokens"
    private static let now = Timestamp(milliseconds: 1_000_000)

    private func make(
        _ name: String, role: Role = .viewer, grant: [String]? = nil, expiresAt: Timestamp? = nil
    ) throws -> (token: Token, text: String) {
        try #require(Token.make(name: name, role: role, grant: grant, at: Self.now, expiresAt: expiresAt))
    }

    @Test("What is written is read again, and tells the secret from every other")
    func roundTrip() throws {
        var file = TokenFile()
        let (first, text) = try make("a", role: .operator, grant: ["team=net", "stage!=live"], expiresAt: Self.now)
        let (second, other) = try make("b")
        for token in [first, second] { try file.add(token, to: Self.path) }
        let read = try TokenFile(parsing: file.text, path: Self.path)
        #expect(read.text == file.text)
        let token = try #require(read.tokens.first)
        #expect(token.principal == first.principal)
        #expect(token.expiresAt == Self.now)
        let parts = try #require(Token.parts(of: text.utf8))
        #expect(token.id == parts.id)
        #expect(token.hasSecret(parts.secret))
        #expect(!token.hasSecret(try #require(Token.parts(of: other.utf8)).secret))
        for place in parts.secret.indices {
            var wrong = parts.secret
            wrong[place] ^= 1
            #expect(!token.hasSecret(wrong))
        }
    }

    @Test("A text of another form is no token")
    func form() throws {
        let (_, text) = try make("a")
        for wrong in ["", "netnsd_", String(text.dropLast()), text + "0", text.uppercased(), " " + text, "x" + text] {
            #expect(Token.parts(of: wrong.utf8) == nil, "\(wrong)")
        }
    }

    @Test("Comments and empty lines mean nothing; everything else must be a token, with no more than one has")
    func parse() throws {
        var file = TokenFile()
        try file.add(make("a").token, to: Self.path)
        let line = String(decoding: file.text, as: UTF8.self)
        let commented = Array("# ours\n\n\(line.dropLast())\r\n# end".utf8)
        #expect(try TokenFile(parsing: commented, path: Self.path).tokens.count == 1)
        let broken = [
            line + line, "x", "{}", "[]", line.replacing("viewer", with: "root"),
            line.replacing("\"a\"", with: "\"a b\""),
            line.replacing("\"role\"", with: "\"rule\""), line.replacing("\"salt\"", with: "\"expires\":1,\"salt\""),
            line.replacing("\"salt\":\"", with: "\"salt\":\"0"),
            line.replacing("\"salt\"", with: "\"selector\":[],\"salt\""),
            line.replacing("\"salt\"", with: "\"selector\":[1],\"salt\""),
            line.replacing("\"salt\"", with: "\"selector\":[\"=\"],\"salt\""),
            line.replacing("\"salt\"", with: "\"expiresAtMilliseconds\":\"never\",\"salt\""),
        ]
        for text in broken {
            #expect(throws: TokenFileError.self, "\(text)") {
                try TokenFile(parsing: Array(text.utf8), path: Self.path)
            }
        }
    }

    @Test("A store takes what is valid now, and reads the file again when it is another")
    func store() throws {
        let directory = FilePath("/tmp/netnsd-test-\(UUID().uuidString.prefix(8))")
        try FileSystem.makeDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory.string) }
        let path = directory.appending("tokens")
        let (first, text) = try make("a", expiresAt: Timestamp(milliseconds: 2_000_000))
        try TokenFile.change(path) { (file) throws(TokenFileError) in try file.add(first, to: path) }
        let store = try TokenStore(path, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        #expect(name(store.verify(text.utf8, at: Timestamp(milliseconds: 1_999_999))) == "token:a")
        guard case .expired = store.verify(text.utf8, at: Timestamp(milliseconds: 2_000_000)) else {
            Issue.record("not expired")
            return
        }
        let (second, other) = try make("b")
        #expect(name(store.verify(other.utf8)) == nil)
        try TokenFile.change(path) { (file) throws(TokenFileError) in
            try file.remove(named: "a", from: path)
            try file.add(second, to: path)
        }
        store.reloadIfChanged()
        #expect(name(store.verify(other.utf8)) == "token:b")
        #expect(name(store.verify(text.utf8, at: Self.now)) == nil)
        try FileSystem.replace(path, with: Array("x".utf8))
        store.reloadIfChanged()
        #expect(throws: TokenFileError.self) { try store.reload() }
        #expect(name(store.verify(other.utf8)) == "token:b")
    }

    @Test("A file longer than is read is not taken, and none is made")
    func length() throws {
        let directory = FilePath("/tmp/netnsd-test-\(UUID().uuidString.prefix(8))")
        try FileSystem.makeDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory.string) }
        let path = directory.appending("tokens")
        let comment = [UInt8](repeating: UInt8(ascii: "#"), count: ConfigurationFile.limit)
        try FileSystem.replace(path, with: comment)
        #expect(try TokenFile.read(path).file.tokens.isEmpty)
        try FileSystem.replace(path, with: comment + [UInt8(ascii: "#")])
        #expect(throws: TokenFileError.self) { try TokenFile.read(path) }

        let grant = Array(repeating: "team=net", count: 5000)
        let first = try (0..<10).map { try make("a\($0)", role: .operator, grant: grant).token }
        let more = try (0..<10).map { try make("b\($0)", role: .operator, grant: grant).token }
        try FileSystem.unlink(path)
        try TokenFile.change(path) { (file) throws(TokenFileError) in
            for token in first { try file.add(token, to: path) }
        }
        let text = try TokenFile.read(path).file.text
        let error = #expect(throws: TokenFileError.self) {
            try TokenFile.change(path) { (file) throws(TokenFileError) in
                for token in more { try file.add(token, to: path) }
            }
        }
        #expect(error?.description.contains("longer than 1048576 bytes") == true)
        #expect(try TokenFile.read(path).file.text == text)
    }

    private func name(_ verdict: TokenStore.Verdict) -> String? {
        guard case .valid(let principal) = verdict else { return nil }
        return principal.name
    }
}
