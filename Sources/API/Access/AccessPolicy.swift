import HTTPTypes
import MicroHTTP
import NamespaceCore

/// Decides who sends a request, and whether they are let in.
package struct AccessPolicy: Sendable {
    private let peers: [PeerRule]
    private let certificates: [CertificateRule]
    private let hosts: AllowedHosts
    private let tokens: TokenStore?
    private let allowsUnauthenticatedTCP: Bool

    /// - Parameters:
    ///   - peers: Who may use the Unix socket besides root; without rules, whoever the socket's file lets in.
    ///   - allowsUnauthenticatedTCP: Whether a client that presents nothing over TCP may do everything.
    package init(
        peers: [PeerRule] = [], certificates: [CertificateRule] = [], hosts: AllowedHosts = AllowedHosts([]),
        tokens: TokenStore? = nil, allowsUnauthenticatedTCP: Bool = false
    ) {
        self.peers = peers
        self.certificates = certificates
        self.hosts = hosts
        self.tokens = tokens
        self.allowsUnauthenticatedTCP = allowsUnauthenticatedTCP
    }

    /// Refuses what a browser was led to send: a request for another host, or from a page.
    func checkOrigin(of request: Request) throws(Problem) {
        guard request.client.transport != .unix else { return }
        guard request.headerFields[.origin] == nil else {
            throw Problem(.originNotAllowed, "Pages in browsers may not ask; send no Origin.")
        }
        // None comes with HTTP/1.0 alone, which no browser speaks.
        guard let host = request.headerFields[.host] else { return }
        guard hosts.allow(host) else {
            throw Problem(
                .hostNotAllowed,
                "The Host is none of this daemon's; ask by the address it listens on, or allow it by --allowed-host.")
        }
    }

    /// Who sends the request.
    ///
    /// Over TCP a token goes before a certificate, and one that is presented must be valid. On the Unix socket the
    /// kernel says who it is, and a token is not looked at.
    ///
    /// - Throws: `.unauthenticated` for who is not known, `.forbidden` for who is and has no role.
    func principal(of request: Request) throws(Problem) -> Principal {
        let client = request.client
        if client.transport == .unix { return try principal(onSocket: client) }
        if let field = request.headerFields[.authorization] { return try principal(presenting: field) }
        let rule = client.certificate.flatMap { certificate in certificates.first { $0.matches(certificate) } }
        if let rule { return Principal(name: "certificate:\(rule.name)", role: rule.role) }
        if allowsUnauthenticatedTCP {
            return Principal(name: client.name, role: .admin)
        }
        guard client.certificate == nil else {
            throw Problem(
                .forbidden, "The certificate is valid, and no --certificate-role gives it a role.", right: .read)
        }
        throw Problem.unauthenticated("Present a token: Authorization: Bearer TOKEN; netnsd token new makes one.")
    }

    private func principal(onSocket client: Client) throws(Problem) -> Principal {
        guard !peers.isEmpty, client.peer?.user != 0 else { return Principal(name: client.name, role: .admin) }
        guard let role = client.peer.flatMap(peers.role(of:)) else {
            throw Problem(.forbidden, "No --peer gives \(client.name) a role.", right: .read)
        }
        return Principal(name: client.name, role: role)
    }

    /// Who is known by what `Authorization` says over TCP.
    ///
    /// - Throws: `.unauthenticated`.
    func principal(presenting field: String) throws(Problem) -> Principal {
        guard let token = Self.token(in: field.utf8) else {
            throw Problem.unauthenticated("The only scheme is Bearer: Authorization: Bearer TOKEN.")
        }
        guard let tokens else { throw Problem.unauthenticated("No token is known here.", error: "invalid_token") }
        switch tokens.verify(token) {
        case .valid(let principal): return principal
        case .expired: throw Problem.unauthenticated("The token has expired.", error: "invalid_token")
        case .unknown: throw Problem.unauthenticated("The token is not valid.", error: "invalid_token")
        }
    }

    /// What follows the scheme Bearer, in whatever case; nil for another scheme, or where nothing follows.
    private static func token(in field: String.UTF8View) -> Substring.UTF8View? {
        let scheme = "bearer "
        let isBearer = field.count > scheme.utf8.count && zip(field, scheme.utf8).allSatisfy { $0 | 0x20 == $1 }
        guard isBearer else { return nil }
        return field.dropFirst(scheme.utf8.count)
    }

    /// Throws unless the principal has the right.
    func check(_ right: Right, of principal: Principal, for request: Request) throws(Problem) {
        guard !principal.role.has(right) else { return }
        var problem = Problem(
            .forbidden,
            """
            This needs the right \(right.rawValue), which the role \(right.role.rawValue) has; \(principal.name) is a \
            \(principal.role.rawValue).
            """, right: right)
        if request.client.transport != .unix, request.headerFields[.authorization] != nil {
            problem.challenge = "Bearer realm=\"netnsd\", error=\"insufficient_scope\", scope=\"\(right.rawValue)\""
        }
        throw problem
    }
}

extension Problem {
    /// 401 with its challenge (RFC 6750, section 3).
    ///
    /// - Parameter error: What is wrong with what was presented; nil where that was nothing.
    fileprivate static func unauthenticated(_ detail: String, error: String? = nil) -> Problem {
        var problem = Problem(.unauthenticated, detail)
        problem.challenge = "Bearer realm=\"netnsd\""
        if let error { problem.challenge? += ", error=\"\(error)\", error_description=\"\(detail.dropLast())\"" }
        return problem
    }

    fileprivate init(_ code: Code, _ detail: String, right: Right) {
        self.init(code, detail)
        self.right = right
    }

    /// Whether somebody is kept out, and so made to wait.
    var isRefusalOfAccess: Bool {
        switch code {
        case .unauthenticated, .forbidden, .hostNotAllowed, .originNotAllowed: true
        default: false
        }
    }
}

extension Call {
    /// On whose behalf, and how far, the core is to act.
    var authority: Authority {
        let peer = request.client.peer
        return Authority(
            owner: Owner(principal: principal.name, user: peer?.user, process: peer?.process),
            reach: principal.role == .admin ? .everything : .own(or: principal.grant))
    }
}
