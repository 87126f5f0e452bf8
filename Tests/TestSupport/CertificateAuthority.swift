import Foundation

/// A certificate authority of a test, below /tmp, and what it issues, by openssl(1).
package struct CertificateAuthority: Sendable {
    /// A certificate in PEM and its key, as files.
    package struct Issued: Sendable {
        package let certificate: String
        package let key: String

        /// Pairs two files.
        package init(certificate: String, key: String) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// When a certificate is valid.
    package enum Validity: Sendable {
        case now
        case past
        case future
        /// From yesterday on, for this long.
        case seconds(Double)
    }

    /// What a certificate is for.
    package enum Purpose: String, Sendable {
        case client = "clientAuth"
        case server = "serverAuth"
    }

    /// What a key is, in openssl's words.
    package enum Key: Sendable {
        case ellipticCurve
        case rsa(bits: Int)

        fileprivate var arguments: [String] {
            switch self {
            case .ellipticCurve: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
            case .rsa(let bits): ["-newkey", "rsa:\(bits)"]
            }
        }
    }

    private let directory: String

    /// The authority's own certificate.
    package var certificate: String { directory + "/authority.pem" }
    private var key: String { directory + "/authority.key" }

    /// Makes an authority in a new directory `name` of `parent`.
    package init(_ name: String, in parent: String) async throws {
        directory = "\(parent)/\(name)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try await Command.check(
            "openssl",
            ["req", "-x509"] + Key.ellipticCurve.arguments + [
                "-nodes", "-days", "30", "-subj", "/CN=\(name)", "-keyout", key, "-out", certificate,
                "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            ])
        try Data().write(to: URL(filePath: directory + "/index.txt"))
        let configuration = """
            [ca]
            default_ca = test
            [test]
            database = \(directory)/index.txt
            serial = \(directory)/serial
            new_certs_dir = \(directory)
            default_md = sha256
            policy = any
            unique_subject = no
            [any]
            commonName = optional
            organizationName = optional
            """
        try Data(configuration.utf8).write(to: URL(filePath: directory + "/ca.cnf"))
    }

    /// Issues a certificate; the key's file has mode 0600.
    ///
    /// - Parameters:
    ///   - subject: In openssl's form, such as `/O=Example/CN=lab`.
    ///   - names: In openssl's form, such as `DNS:localhost,IP:127.0.0.1`.
    package func issue(
        _ subject: String, for purpose: Purpose, names: String? = nil, valid: Validity = .now,
        key newKey: Key = .ellipticCurve
    ) async throws -> Issued {
        let base = "\(directory)/\(UUID().uuidString)"
        let issued = Issued(certificate: base + ".pem", key: base + ".key")
        try await Command.check(
            "openssl",
            ["req", "-new"] + newKey.arguments + [
                "-nodes", "-subj", subject, "-keyout", issued.key, "-out", base + ".csr",
            ])
        var extensions = "basicConstraints = critical,CA:FALSE\nextendedKeyUsage = \(purpose.rawValue)\n"
        if let names { extensions += "subjectAltName = \(names)\n" }
        try Data(extensions.utf8).write(to: URL(filePath: base + ".ext"))
        let (start, end) = Self.days(valid)
        try await Command.check(
            "openssl",
            [
                "ca", "-batch", "-notext", "-config", directory + "/ca.cnf", "-cert", certificate, "-keyfile", key,
                "-rand_serial", "-preserveDN", "-extfile", base + ".ext", "-startdate", start, "-enddate", end,
                "-in", base + ".csr", "-out", issued.certificate,
            ])
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: issued.key)
        return issued
    }

    private static func days(_ validity: Validity) -> (start: String, end: String) {
        let (first, last) =
            switch validity {
            case .now: (-1.0, 10.0)
            case .past: (-10.0, -1.0)
            case .future: (5.0, 10.0)
            case .seconds(let count): (-1.0, count / 86_400)
            }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "UTC")
        formatter.dateFormat = "yyyyMMddHHmmss'Z'"
        return (
            formatter.string(from: Date(timeIntervalSinceNow: first * 86_400)),
            formatter.string(from: Date(timeIntervalSinceNow: last * 86_400))
        )
    }
}

/// Runs `body` with a fresh directory below /tmp, and removes it however that ends.
package func withDirectory<Value: Sendable>(_ body: (String) async throws -> Value) async throws -> Value {
    let directory = "/tmp/netnsd-test-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    do {
        let value = try await body(directory)
        try FileManager.default.removeItem(atPath: directory)
        return value
    } catch {
        try? FileManager.default.removeItem(atPath: directory)
        throw error
    }
}
