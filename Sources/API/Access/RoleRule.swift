import MicroHTTP

/// A line of the configuration that gives a role to the users of a Unix socket: `uid:1000=operator`, `gid:2000=viewer`.
package struct PeerRule: Sendable, Equatable {
    package enum Subject: Sendable, Equatable {
        case user(UInt32)
        /// The primary group of the process; `SO_PEERCRED` tells of no other.
        case group(UInt32)
    }

    package let subject: Subject
    package let role: Role

    /// nil for a text of another form.
    package init?(_ text: String) {
        guard let (key, role) = Role.split(text) else { return nil }
        let parts = key.split(separator: ":", omittingEmptySubsequences: false)
        // UInt32 takes a sign.
        guard parts.count == 2, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let id = UInt32(parts[1])
        else { return nil }
        switch parts[0] {
        case "uid": subject = .user(id)
        case "gid": subject = .group(id)
        default: return nil
        }
        self.role = role
    }
}

extension [PeerRule] {
    /// A rule for the user goes before those for groups, and the first of several before the others.
    func role(of peer: Peer) -> Role? {
        (first { $0.subject == .user(peer.user) } ?? first { $0.subject == .group(peer.group) })?.role
    }
}

/// A line of the configuration that gives a role to whoever holds a certificate: by its subject,
/// `CN=lab,O=Example=operator`, or by an alternative name, `DNS:ci.example=viewer`.
package struct CertificateRule: Sendable, Equatable {
    /// As the configuration has it; what the holder is called.
    package let name: String
    package let role: Role
    private let isOfSubject: Bool
    private let pattern: String

    /// nil for a text of another form.
    package init?(_ text: String) {
        guard let (name, role) = Role.split(text), !name.isEmpty else { return nil }
        self.name = name
        self.role = role
        if let kind = ["DNS:", "URI:", "email:"].first(where: { name.hasPrefix($0) }) {
            guard name.utf8.count > kind.utf8.count else { return nil }
            isOfSubject = false
            pattern = name
        } else {
            guard let subject = Self.normalized(name) else { return nil }
            isOfSubject = true
            pattern = subject
        }
    }

    /// Whether the certificate has the very subject, or the very alternative name.
    func matches(_ certificate: ClientCertificate) -> Bool {
        isOfSubject ? Self.normalized(certificate.subject) == pattern : certificate.names.contains(pattern)
    }

    /// A distinguished name (RFC 4514) with what has no meaning in it made the same: the case of attribute types and
    /// the blanks around them. nil for what is none.
    private static func normalized(_ name: String) -> String? {
        var parts: [String] = [""]
        var isEscaped = false
        for character in name {
            if character == ",", !isEscaped { parts.append("") } else { parts[parts.count - 1].append(character) }
            isEscaped = character == "\\" && !isEscaped
        }
        var normal: [String] = []
        for part in parts {
            let sides = part.drop { $0 == " " }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.count == 2, !sides[0].isEmpty, !sides[1].isEmpty else { return nil }
            normal.append("\(sides[0].uppercased())=\(sides[1])")
        }
        return normal.joined(separator: ",")
    }
}

extension Role {
    /// What stands before and behind the last `=` of a rule.
    fileprivate static func split(_ text: String) -> (key: String, role: Role)? {
        guard let sign = text.lastIndex(of: "="), let role = Role(rawValue: String(text[text.index(after: sign)...]))
        else { return nil }
        return (String(text[..<sign]), role)
    }
}
