import CGnuTLS

/// HMAC-SHA256 (RFC 2104, FIPS 180-4): what a server keeps of a secret that its clients present, rather than the
/// secret.
///
/// GnuTLS computes it, which is in the process for libmicrohttpd's sake.
public struct AuthenticationCode: Sendable {
    /// How many bytes a code has.
    public static let byteCount = CGNUTLS_CODE_BYTES

    /// The code.
    public let bytes: [UInt8]

    /// Whether codes can be computed: not with a libmicrohttpd that was built without GnuTLS.
    public static var isAvailable: Bool { AuthenticationCode(of: [], key: [0]) != nil }

    /// Computes the code of `text` under `key`; nil when that is not ``isAvailable``.
    public init?(of text: [UInt8], key: [UInt8]) {
        var code = [UInt8](repeating: 0, count: Self.byteCount)
        let isMade = unsafe key.withUnsafeBytes { key in
            unsafe text.withUnsafeBytes { text in
                unsafe cgnutls_authenticate(cgnutls_bytes(key), cgnutls_bytes(text), &code)
            }
        }
        guard isMade else { return nil }
        bytes = code
    }

    /// Compares in a time that does not depend on how much of it is right.
    public func isEqual(to other: [UInt8]) -> Bool {
        unsafe bytes.withUnsafeBytes { own in
            unsafe other.withUnsafeBytes { unsafe cgnutls_is_equal(cgnutls_bytes(own), cgnutls_bytes($0)) }
        }
    }
}
