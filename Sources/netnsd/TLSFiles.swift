import FoundationEssentials
import LinuxKit
package import Logging
package import MicroHTTP
import SystemPackage

/// The files that TLS is configured by: read at the start, and again whenever they may have changed.
package struct TLSFiles: Sendable, Equatable {
    /// The server's certificate chain.
    package let certificate: String
    /// The certificate's key.
    package let key: String
    /// Who vouches for clients; nil asks clients for no certificate.
    package let clientAuthorities: String?

    /// How long before its end a certificate is complained of, in seconds.
    private static let warningSeconds: Int64 = 7 * 86_400

    /// Names the files; nothing is read.
    package init(certificate: String, key: String, clientAuthorities: String? = nil) {
        self.certificate = certificate
        self.key = key
        self.clientAuthorities = clientAuthorities
    }

    /// What the files hold now.
    package func load() throws(TLSFilesError) -> TLSCredentials {
        let secret = try Self.read(key)
        guard !secret.facts.isReadableByOthers else {
            throw TLSFilesError(
                """
                the key \(key) can be read by others than its owner (mode \(String(secret.facts.permissions, radix: 8))): \
                chmod 600 it, and think of replacing it
                """)
        }
        let chain = try Self.read(certificate).content
        let authorities: [UInt8]? = if let clientAuthorities { try Self.read(clientAuthorities).content } else { nil }
        do throws(TLSCredentialsError) {
            return try TLSCredentials(
                certificateChain: chain, privateKey: secret.content, clientAuthorities: authorities)
        } catch {
            throw TLSFilesError(describing: error, in: self)
        }
    }

    /// Puts what the files hold now into force, without a listener or a connection that notices.
    ///
    /// - Throws: What makes the files useless; the server goes on with what it had.
    package func reload(into server: HTTPServer, logger: Logger) throws(TLSFilesError) {
        let credentials = try load()
        server.replaceCredentials(credentials)
        complain(of: credentials, logger: logger)
    }

    /// Warns of a certificate that has ended, or is about to.
    package func complain(of credentials: TLSCredentials, logger: Logger) {
        let end = Date(timeIntervalSince1970: TimeInterval(credentials.expiry))
        let left = end.timeIntervalSinceNow
        guard left < TimeInterval(Self.warningSeconds) else { return }
        logger.warning(
            left < 0 ? "the TLS certificate has expired" : "the TLS certificate expires soon",
            metadata: ["certificate": "\(certificate)", "end": "\(end.formatted(.iso8601))"])
    }

    /// No file may be written to by others than its owner: whoever can would be believed as anybody.
    private static func read(_ path: String) throws(TLSFilesError) -> ConfigurationFile {
        let file: ConfigurationFile
        do throws(SystemError) {
            file = try ConfigurationFile(FilePath(path))
        } catch {
            throw TLSFilesError("\(path): \(error.errno) (\(error.operation.rawValue))")
        }
        guard !file.facts.isWritableByOthers else {
            throw TLSFilesError(
                "\(path) can be written by others than its owner (mode \(String(file.facts.permissions, radix: 8)))")
        }
        return file
    }
}

/// Why the files cannot be used: one line that names the file and says what to do.
package struct TLSFilesError: Error, CustomStringConvertible {
    package let description: String

    fileprivate init(_ text: String) {
        description = "TLS: \(text)"
    }

    fileprivate init(describing error: TLSCredentialsError, in files: TLSFiles) {
        switch error.part {
        case .library: self.init(error.reason)
        case .certificateChain: self.init("\(files.certificate) holds no certificate chain in PEM: \(error.reason)")
        case .privateKey: self.init("\(files.key) holds no key in PEM without a password: \(error.reason)")
        case .pair:
            self.init("the key \(files.key) does not belong to the certificate \(files.certificate): \(error.reason)")
        case .clientAuthorities:
            self.init("\(files.clientAuthorities ?? "") holds no authorities' certificates in PEM: \(error.reason)")
        }
    }
}
