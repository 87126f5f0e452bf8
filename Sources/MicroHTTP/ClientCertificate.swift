/// The certificate that a TLS client has proved to hold, and that an authority the server believes has vouched for.
public struct ClientCertificate: Sendable, Equatable {
    /// The subject's distinguished name as of RFC 4514, such as `CN=lab,O=Example`; may be empty.
    public let subject: String
    /// The alternative names with their kinds: `DNS:a.example`, `URI:spiffe://a/b`, `email:c@d.example`.
    public let names: [String]

    /// Describes a certificate.
    public init(subject: String, names: [String] = []) {
        self.subject = subject
        self.names = names
    }
}
