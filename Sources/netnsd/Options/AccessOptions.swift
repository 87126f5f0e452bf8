import API
import ArgumentParser
import MicroHTTP

/// The flags that say who may do what.
struct AccessOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The tokens that are taken over TCP, as netnsd token makes them. [NETNSD_TOKEN_FILE]", valueName: "file"))
    var tokenFile: String?

    @Option(
        help: ArgumentHelp(
            """
            Give users of the Unix socket a role: uid:N=ROLE or gid:N=ROLE, ROLE viewer, operator or admin; may be \
            repeated. With one such rule, others than these and root are refused. [NETNSD_PEER, separated by commas]
            """, valueName: "rule"))
    var peer: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            Give holders of a client certificate a role: SUBJECT=ROLE, such as 'CN=lab,O=Example=operator', or by an \
            alternative name, 'DNS:ci.example=viewer'; may be repeated. [NETNSD_CERTIFICATE_ROLE, separated by semicolons]
            """, valueName: "rule"))
    var certificateRole: [String] = []

    @Option(
        help: ArgumentHelp(
            "A name that clients may call this host by over TCP; may be repeated. [NETNSD_ALLOWED_HOST, with commas]",
            valueName: "name"))
    var allowedHost: [String] = []

    @Option(
        help: ArgumentHelp(
            "The mode of the Unix socket's file. [NETNSD_SOCKET_MODE] (default: 660)", valueName: "octal"))
    var socketMode: String?

    @Option(
        help: ArgumentHelp(
            "The group of the Unix socket's file. [NETNSD_SOCKET_GROUP] (default: netnsd, where there is one)",
            valueName: "group"))
    var socketGroup: String?

    @Flag(
        help: """
            Listen on TCP although nobody is asked who they are, or in the clear off loopback: whoever reaches the port \
            owns the host's network. For throw-away labs. [NETNSD_ALLOW_UNAUTHENTICATED_TCP=true]
            """)
    var allowUnauthenticatedTcp = false
}

/// Who may do what, as configured.
struct AccessSettings {
    let tokenFile: String?
    let peers: [PeerRule]
    let certificates: [CertificateRule]
    let allowedHosts: [String]
    let socketMode: UInt32
    /// The group that must exist; nil for the usual one, which need not.
    let socketGroup: String?
    let allowsUnauthenticatedTCP: Bool

    static let defaultSocketGroup = "netnsd"

    /// - Throws: `ValidationError` with a line for the user.
    init(_ options: AccessOptions, environment: [String: String]) throws {
        func variable(_ name: String) -> String? { environment["NETNSD_\(name)"].flatMap { $0.isEmpty ? nil : $0 } }
        func list(_ given: [String], _ name: String, separator: Character = ",") -> [String] {
            guard given.isEmpty else { return given }
            return (variable(name) ?? "").split(separator: separator).map { String($0).trimmingSpaces }
        }

        tokenFile = options.tokenFile ?? variable("TOKEN_FILE")
        peers = try list(options.peer, "PEER").map { text in
            guard let rule = PeerRule(text) else {
                throw ValidationError(
                    "--peer '\(text)' is not uid:N=ROLE or gid:N=ROLE, ROLE viewer, operator or admin.")
            }
            return rule
        }
        // Commas are part of distinguished names.
        certificates = try list(options.certificateRole, "CERTIFICATE_ROLE", separator: ";").map { text in
            guard let rule = CertificateRule(text) else {
                throw ValidationError(
                    "--certificate-role '\(text)' is not SUBJECT=ROLE, DNS:NAME=ROLE, URI:URI=ROLE or email:ADDRESS=ROLE."
                )
            }
            return rule
        }
        allowedHosts = list(options.allowedHost, "ALLOWED_HOST")
        let mode = options.socketMode ?? variable("SOCKET_MODE") ?? "660"
        guard let bits = UInt32(mode, radix: 8), bits <= 0o777 else {
            throw ValidationError("--socket-mode '\(mode)' is no mode such as 660.")
        }
        socketMode = bits
        socketGroup = options.socketGroup ?? variable("SOCKET_GROUP")
        let allowed = variable("ALLOW_UNAUTHENTICATED_TCP")
        guard allowed == nil || allowed.flatMap(Bool.init) != nil else {
            throw ValidationError("NETNSD_ALLOW_UNAUTHENTICATED_TCP is true or false.")
        }
        allowsUnauthenticatedTCP = options.allowUnauthenticatedTcp || allowed == "true"
    }

    /// Refuses to listen where whoever comes by could do everything, or read how those who may do it.
    ///
    /// - Parameters:
    ///   - hasTLS: Whether what goes over TCP is encrypted.
    ///   - hasClientCA: Whether clients may show who they are by a certificate.
    func check(_ addresses: [ListenAddress], hasTLS: Bool, hasClientCA: Bool) throws {
        let hosts = addresses.compactMap { if case .tcp(let host, _) = $0.bound { host } else { nil } }
        guard !hosts.isEmpty, !allowsUnauthenticatedTCP else { return }
        guard tokenFile != nil || (hasClientCA && !certificates.isEmpty) else {
            throw ValidationError(
                """
                --listen needs a --token-file, or a client CA and a --certificate-role: whoever reaches the port would own \
                the host's network. (--allow-unauthenticated-tcp listens all the same.)
                """)
        }
        guard hasTLS || hosts.allSatisfy(AllowedHosts.isLoopback) else {
            throw ValidationError(
                """
                --listen off loopback needs TLS: whoever is on the way could read the tokens. \
                (--allow-unauthenticated-tcp listens all the same.)
                """)
        }
    }
}

extension String {
    var trimmingSpaces: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
