import ArgumentParser

/// The flags of TLS. With a certificate and its key every TCP address is for TLS, and for TLS alone.
struct TLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            Speak TLS on the TCP addresses, with the certificate chain in this PEM file, the server's own first. \
            [NETNSD_TLS_CERTIFICATE]
            """, valueName: "file"))
    var tlsCertificate: String?

    @Option(
        help: ArgumentHelp(
            "The certificate's key, in a PEM file that its owner alone can read. [NETNSD_TLS_KEY]", valueName: "file"))
    var tlsKey: String?

    @Option(
        name: .customLong("tls-client-ca"),
        help: ArgumentHelp(
            """
            Ask TLS clients for a certificate, and believe those that the authorities in this PEM file vouch for. \
            [NETNSD_TLS_CLIENT_CA]
            """, valueName: "file"))
    var tlsClientAuthorities: String?

    /// The files in force; nil where there is to be no TLS.
    ///
    /// - Throws: `ValidationError` with a line for the user.
    func files(environment: [String: String]) throws -> TLSFiles? {
        func variable(_ name: String) -> String? {
            environment["NETNSD_TLS_\(name)"].flatMap { $0.isEmpty ? nil : $0 }
        }
        let (certificate, key) = (tlsCertificate ?? variable("CERTIFICATE"), tlsKey ?? variable("KEY"))
        let clientAuthorities = tlsClientAuthorities ?? variable("CLIENT_CA")
        guard let certificate, let key else {
            guard certificate == nil, key == nil, clientAuthorities == nil else {
                throw ValidationError("TLS needs both --tls-certificate and --tls-key.")
            }
            return nil
        }
        return TLSFiles(certificate: certificate, key: key, clientAuthorities: clientAuthorities)
    }
}
