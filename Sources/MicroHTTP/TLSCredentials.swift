import CGnuTLS

/// What a server shows its TLS clients, and whom it believes that they are; see ``HTTPServer/replaceCredentials(_:)``.
///
/// `@unchecked Sendable`: what it points to is not changed between `init` and `deinit`, and GnuTLS may read it for any
/// number of sessions at once. Whoever lends it to a session keeps it for as long.
@safe public final class TLSCredentials: @unchecked Sendable {
    private let pointer: OpaquePointer

    /// Makes credentials from files' contents in PEM.
    ///
    /// - Parameters:
    ///   - certificateChain: The server's certificate, then those between it and its authority's.
    ///   - privateKey: The certificate's key, not encrypted.
    ///   - clientAuthorities: Who vouches for clients. With it, clients are asked for a certificate, and may have none.
    public init(
        certificateChain: [UInt8], privateKey: [UInt8], clientAuthorities: [UInt8]? = nil
    ) throws(TLSCredentialsError) {
        // Nothing at all would be no authority, which asks for no certificate.
        if let clientAuthorities, clientAuthorities.isEmpty {
            throw TLSCredentialsError(part: .clientAuthorities, reason: "There is no certificate in it.")
        }
        var failure = cgnutls_failure()
        let made = unsafe certificateChain.withUnsafeBytes { chain in
            unsafe privateKey.withUnsafeBytes { key in
                unsafe (clientAuthorities ?? []).withUnsafeBytes { authorities in
                    unsafe cgnutls_make(.init(chain), .init(key), .init(authorities), &failure)
                }
            }
        }
        guard let made = unsafe made else { throw TLSCredentialsError(failure) }
        unsafe pointer = unsafe made
    }

    deinit { unsafe cgnutls_free(pointer) }

    /// Until when the server's certificate is valid, in seconds since 1970.
    public var expiry: Int64 { unsafe cgnutls_expiry(pointer) }

    /// Has a session use these, which must outlive it; false when there is no memory for it.
    ///
    /// - Parameter session: A `gnutls_session_t` before its handshake.
    func adopt(in session: UnsafeMutableRawPointer) -> Bool { unsafe cgnutls_adopt(session, pointer) }

    /// What is to be thought of the session's client now.
    ///
    /// - Parameter session: A `gnutls_session_t` after its handshake, in use by no other thread.
    func verdict(on session: UnsafeMutableRawPointer) -> (verdict: TLSVerdict, expiry: Int64) {
        var collector = NameCollector()
        var expiry: Int64 = 0
        let verdict = unsafe withUnsafeMutablePointer(to: &collector) { collector in
            unsafe cgnutls_verify(session, pointer, &expiry, collectName, collector)
        }
        switch verdict {
        case CGNUTLS_NONE: return (.noCertificate, .max)
        case CGNUTLS_TRUSTED:
            return (.trusted(ClientCertificate(subject: collector.subject, names: collector.names)), expiry)
        default: return (.refused(Self.reason(verdict)), 0)
        }
    }

    private static func reason(_ verdict: cgnutls_verdict) -> String {
        switch verdict {
        case CGNUTLS_UNKNOWN_ISSUER: "no authority known here has issued it"
        case CGNUTLS_EXPIRED: "it has expired"
        case CGNUTLS_NOT_YET_VALID: "it is not valid yet"
        case CGNUTLS_WRONG_PURPOSE: "it is not meant for clients"
        case CGNUTLS_WEAK: "its key or signature is too weak"
        case CGNUTLS_UNREADABLE: "it cannot be read"
        default: "it is not valid"
        }
    }
}

/// Why credentials cannot be used.
public struct TLSCredentialsError: Error, CustomStringConvertible {
    /// What was wrong.
    public enum Part: Sendable, Equatable {
        /// Not what was given: this libmicrohttpd has no TLS, or there is no memory.
        case library
        case certificateChain
        case privateKey
        /// Certificate and key are good and do not belong together.
        case pair
        case clientAuthorities
    }

    /// What was wrong.
    public let part: Part
    /// How it was wrong, in GnuTLS's words.
    public let reason: String

    init(part: Part, reason: String) {
        self.part = part
        self.reason = reason
    }

    fileprivate init(_ failure: cgnutls_failure) {
        part =
            switch failure.part {
            case CGNUTLS_CERTIFICATE: .certificateChain
            case CGNUTLS_KEY: .privateKey
            case CGNUTLS_PAIR: .pair
            case CGNUTLS_AUTHORITIES: .clientAuthorities
            default: .library
            }
        var text = failure.reason
        reason = unsafe withUnsafeBytes(of: &text) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// One line.
    public var description: String {
        switch part {
        case .library: "TLS cannot be used: \(reason)"
        case .certificateChain: "the certificate cannot be used: \(reason)"
        case .privateKey: "the key cannot be used: \(reason)"
        case .pair: "the key is not the certificate's: \(reason)"
        case .clientAuthorities: "the clients' authorities cannot be used: \(reason)"
        }
    }
}

/// What a server thinks of a TLS client.
enum TLSVerdict: Sendable, Equatable {
    /// It has presented none, or was not asked.
    case noCertificate
    case trusted(ClientCertificate)
    /// It has presented one that is not to be believed; says why, to follow a comma.
    case refused(String)
}

/// What `collectName` fills.
private struct NameCollector {
    var subject = ""
    var names: [String] = []
}

/// `cgnutls_name_callback`: called for each name of a certificate, with a `NameCollector`.
private func collectName(
    _ context: UnsafeMutableRawPointer?, _ prefix: UnsafePointer<CChar>?, _ bytes: UnsafePointer<UInt8>?, _ size: Int
) {
    guard let collector = unsafe context?.assumingMemoryBound(to: NameCollector.self), let prefix = unsafe prefix else {
        return
    }
    let buffer = unsafe UnsafeBufferPointer(start: bytes, count: size)
    // A name that does not read as it is would be taken for another one.
    guard let text = unsafe String(validating: buffer, as: UTF8.self),
        text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
    else { return }
    if unsafe prefix.pointee == 0 {
        unsafe collector.pointee.subject = text
    } else {
        unsafe collector.pointee.names.append(String(cString: prefix) + text)
    }
}

extension cgnutls_bytes {
    /// Lends the buffer for as long as the buffer is lent.
    fileprivate init(_ buffer: UnsafeRawBufferPointer) {
        unsafe self.init(start: buffer.baseAddress, size: buffer.count)
    }
}
