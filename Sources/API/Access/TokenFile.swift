import JSONText
package import LinuxKit
import MicroHTTP
import NamespaceCore
package import SystemPackage

/// Why a token file is not taken, in words for an operator.
package struct TokenFileError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ path: FilePath, _ reason: String) { description = "the token file \(path): \(reason)" }
    init(_ error: SystemError) { description = "the token file: \(error)" }
}

/// The content of a token file: one JSON object a line. Lines that are empty or begin with `#` mean nothing, and do not
/// outlive a change by `netnsd token`.
package struct TokenFile: Sendable {
    package private(set) var tokens: [Token] = []

    package init() {}

    /// Reads a file that its owner alone may use. Blocks.
    package static func read(_ path: FilePath) throws(TokenFileError) -> (file: TokenFile, facts: FileFacts) {
        try checkCodes(path)
        let file: ConfigurationFile
        do throws(SystemError) {
            file = try ConfigurationFile(path)
        } catch {
            throw TokenFileError(error)
        }
        let facts = file.facts
        guard facts.isOursAlone else {
            let mode = String(facts.permissions, radix: 8)
            throw TokenFileError(
                path, "others may use it (mode 0\(mode), user \(facts.owner)); chown it to root, and chmod 600 it")
        }
        return (try TokenFile(parsing: file.content, path: path), facts)
    }

    /// Without them every token would be an unknown one.
    private static func checkCodes(_ path: FilePath) throws(TokenFileError) {
        guard AuthenticationCode.isAvailable else {
            throw TokenFileError(path, "tokens need a libmicrohttpd that was built with GnuTLS, and this one was not")
        }
    }

    /// Changes a file while no other process does, all of it or nothing; a missing one is an empty one. Blocks.
    package static func change<Value>(
        _ path: FilePath, _ body: (inout TokenFile) throws(TokenFileError) -> Value
    ) throws(TokenFileError) -> Value {
        try checkCodes(path)
        let directory = path.removingLastComponent()
        let result: Result<Value, TokenFileError>
        do throws(SystemError) {
            result = try FileSystem.locking(directory.isEmpty ? "." : directory) {
                Result { () throws(TokenFileError) in try changeLocked(path, body) }
            }
        } catch {
            throw TokenFileError(error)
        }
        return try result.get()
    }

    private static func changeLocked<Value>(
        _ path: FilePath, _ body: (inout TokenFile) throws(TokenFileError) -> Value
    ) throws(TokenFileError) -> Value {
        var file = try exists(path) ? read(path).file : TokenFile()
        let value = try body(&file)
        let text = file.text
        // It could not be read again.
        guard text.count <= ConfigurationFile.limit else {
            throw TokenFileError(path, "it would be longer than \(ConfigurationFile.limit) bytes; revoke some tokens")
        }
        do throws(SystemError) {
            try FileSystem.replace(path, with: text, isDurable: true)
        } catch {
            throw TokenFileError(error)
        }
        return value
    }

    private static func exists(_ path: FilePath) throws(TokenFileError) -> Bool {
        do throws(SystemError) {
            _ = try FileFacts.at(path)
            return true
        } catch  where error.errno == .noSuchFileOrDirectory {
            return false
        } catch {
            throw TokenFileError(error)
        }
    }

    /// Takes in a token.
    package mutating func add(_ token: Token, to path: FilePath) throws(TokenFileError) {
        guard !tokens.contains(where: { $0.name == token.name }) else {
            throw TokenFileError(path, "there is a token named \(token.name); revoke it, or choose another name")
        }
        tokens.append(token)
    }

    /// Forgets a token.
    package mutating func remove(named name: String, from path: FilePath) throws(TokenFileError) {
        guard let place = tokens.firstIndex(where: { $0.name == name }) else {
            throw TokenFileError(path, "there is no token named \(name)")
        }
        tokens.remove(at: place)
    }
}

// MARK: - As text

extension TokenFile {
    init(parsing text: [UInt8], path: FilePath) throws(TokenFileError) {
        var (names, ids): (Set<String>, Set<String>) = ([], [])
        for (number, line) in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            guard let first = line.first, first != UInt8(ascii: "#") else { continue }
            guard let value = try? JSONValue(parsing: Array(line)), let token = Token(value) else {
                throw TokenFileError(path, "line \(number + 1) is no token as netnsd token new writes it")
            }
            guard names.insert(token.name).inserted, ids.insert(token.id).inserted else {
                throw TokenFileError(path, "line \(number + 1) has the name or id of another token")
            }
            tokens.append(token)
        }
    }

    var text: [UInt8] {
        // The writer ends a text with a line's end.
        tokens.flatMap { token in JSONWriter.text { $0.object { $0.members(of: token) } } }
    }
}

extension JSONWriter {
    fileprivate mutating func members(of token: Token) {
        member("id", token.id)
        member("name", token.name)
        member("role", token.role.rawValue)
        if let grant = token.grant { member("selector", grant) }
        member("createdAtMilliseconds", token.createdAt.milliseconds)
        if let expiresAt = token.expiresAt { member("expiresAtMilliseconds", expiresAt.milliseconds) }
        member("salt", token.salt.hexadecimal)
        member("hmacSHA256", token.code.hexadecimal)
    }
}

extension Token {
    private static let members: Set = [
        "id", "name", "role", "selector", "createdAtMilliseconds", "expiresAtMilliseconds", "salt", "hmacSHA256",
    ]

    fileprivate init?(_ value: JSONValue) {
        guard case .object(let members) = value, Self.members.isSuperset(of: members.keys),
            let id = value["id"]?.string, let name = value["name"]?.string,
            let role = value["role"]?.string.flatMap(Role.init(rawValue:)),
            let created = value["createdAtMilliseconds"]?.int64,
            let salt = value["salt"]?.string.flatMap({ [UInt8](hexadecimal: $0) }),
            let code = value["hmacSHA256"]?.string.flatMap({ [UInt8](hexadecimal: $0) })
        else { return nil }
        // What narrows a token must not be passed over for its form.
        var expiresAt: Timestamp?
        if let end = value["expiresAtMilliseconds"] {
            guard let milliseconds = end.int64 else { return nil }
            expiresAt = Timestamp(milliseconds: milliseconds)
        }
        var grant: [String]?
        if let selector = value["selector"] {
            guard case .array(let items) = selector else { return nil }
            grant = items.compactMap(\.string)
            guard grant?.count == items.count else { return nil }
        }
        self.init(
            id: id, name: name, role: role, grant: grant, createdAt: Timestamp(milliseconds: created),
            expiresAt: expiresAt, salt: salt, code: code)
    }
}
