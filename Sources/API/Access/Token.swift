import FoundationEssentials
import MicroHTTP
package import NamespaceCore

/// What the token file has of a token: everything but the token.
///
/// The text that its holder presents is `netnsd_ID_SECRET`, both in hexadecimal digits. The public id finds the entry,
/// so that a look-up takes no longer with more tokens; the secret, 256 bits from the kernel, is kept as its HMAC-SHA256
/// with a salt. With that many random bits there is nothing to guess, and so nothing that a slow hash would add.
package struct Token: Sendable {
    package let id: String
    package let name: String
    package let role: Role
    /// The label selectors of what it may touch besides its own; all must hold. nil grants nothing more.
    package let grant: [String]?
    package let createdAt: Timestamp
    package let expiresAt: Timestamp?
    let salt: [UInt8]
    let code: [UInt8]
    /// What is recorded of its holder.
    package let principal: Principal

    static let (idDigits, secretDigits, saltBytes) = (12, 64, 16)
    static let codeBytes = AuthenticationCode.byteCount
    private static let prefix = Array("netnsd_".utf8)

    /// nil for a name or a selector that cannot be one.
    init?(
        id: String, name: String, role: Role, grant: [String]?, createdAt: Timestamp, expiresAt: Timestamp?,
        salt: [UInt8], code: [UInt8]
    ) {
        let requirements = grant.map { $0.compactMap { Selector.Requirement($0) } }
        guard Self.isName(name), Self.isID(id), requirements?.count == grant?.count, grant?.isEmpty != true,
            code.count == Self.codeBytes, salt.count == Self.saltBytes
        else { return nil }
        self.id = id
        self.name = name
        self.role = role
        self.grant = grant
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.salt = salt
        self.code = code
        principal = Principal(name: "token:\(name)", role: role, grant: requirements)
    }

    /// Makes a token, and the text to present, which is nowhere else.
    package static func make(
        name: String?, role: Role, grant: [String]?, at time: Timestamp, expiresAt: Timestamp?
    ) -> (token: Token, text: String)? {
        var random = SystemRandomNumberGenerator()
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &random) } }
        let id = bytes(idDigits / 2).hexadecimal
        let secret = bytes(secretDigits / 2).hexadecimal
        let salt = bytes(saltBytes)
        guard let code = AuthenticationCode(of: Array(secret.utf8), key: salt),
            let token = Token(
                id: id, name: name ?? "t-\(id)", role: role, grant: grant, createdAt: time, expiresAt: expiresAt,
                salt: salt, code: code.bytes)
        else { return nil }
        return (token, "netnsd_\(id)_\(secret)")
    }

    /// The id and the secret of a presented text; nil for one of another form.
    static func parts(of text: some Sequence<UInt8>) -> (id: String, secret: [UInt8])? {
        let bytes = Array(text)
        let start = prefix.count
        let end = start + idDigits
        guard bytes.count == end + 1 + secretDigits, bytes.starts(with: prefix), bytes[end] == UInt8(ascii: "_")
        else { return nil }
        return (String(decoding: bytes[start..<end], as: UTF8.self), Array(bytes[(end + 1)...]))
    }

    /// Compares in a time that does not depend on how much of it is right.
    func hasSecret(_ secret: [UInt8]) -> Bool {
        AuthenticationCode(of: secret, key: salt)?.isEqual(to: code) ?? false
    }

    /// `[A-Za-z0-9._-]{1,64}`
    package static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { NamespaceName.isAlphanumeric($0) || "._-".utf8.contains($0) }
    }

    private static func isID(_ text: String) -> Bool {
        text.utf8.count == idDigits && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
    }
}

extension [UInt8] {
    /// Two lower-case digits a byte.
    var hexadecimal: String {
        map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    /// nil unless `text` is pairs of hexadecimal digits.
    init?(hexadecimal text: String) {
        let digits = text.utf8.map { byte in Character(UnicodeScalar(byte)).hexDigitValue }
        guard digits.count.isMultiple(of: 2), !digits.contains(nil) else { return nil }
        let values = digits.compactMap(\.self)
        self = stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] << 4 | values[$0 + 1]) }
    }
}
