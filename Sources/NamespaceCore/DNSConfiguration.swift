import Netlink

/// What programs started by `ip netns exec` have for `/etc/resolv.conf` and `/etc/hosts`. Every value is one that can
/// stand in these files as itself.
package struct DNSConfiguration: Sendable, Equatable {
    /// A line of hosts(5).
    package struct Host: Sendable, Equatable {
        package let address: String
        package let names: [String]

        package init(address: String, names: [String]) {
            self.address = address
            self.names = names
        }
    }

    /// As in resolv.conf(5).
    package var nameservers: [String] = []
    package var search: [String] = []
    package var options: [String] = []
    package var hosts: [Host] = []

    package init() {}
}

// MARK: - What can be in it

extension DNSConfiguration {
    /// Resolvers ask three; more are for those that ask more.
    package static let mostNameservers = 8
    package static let mostSearch = 32
    package static let mostOptions = 32
    package static let mostHosts = 512
    package static let mostNames = 32

    package static let addressRule = "The value is an IPv4 or IPv6 address, such as 10.0.0.1 or 2001:db8::1."
    package static let domainRule = """
        The value is a domain name of up to 253 characters: labels of 1 to 63 letters, digits, - and _, with dots \
        between, no - first or last.
        """
    package static let optionRule = "The value is an option of resolv.conf(5), such as rotate or ndots:2."

    package static func isAddress(_ text: String) -> Bool { IPAddress(text) != nil }

    /// Whether it is a domain name, with or without a dot at its end; the root, `.`, is one.
    package static func isDomain(_ text: String) -> Bool {
        if text == "." { return true }
        guard (1...253).contains(text.utf8.count) else { return false }
        let bytes = text.utf8.last == UInt8(ascii: ".") ? text.utf8.dropLast() : text.utf8[...]
        return bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.count) && label.first != UInt8(ascii: "-") && label.last != UInt8(ascii: "-")
                && label.allSatisfy { NamespaceName.isAlphanumeric($0) || "-_".utf8.contains($0) }
        }
    }

    /// Whether it is a name for a host: a domain name, and not the root.
    package static func isHostName(_ text: String) -> Bool { text != "." && isDomain(text) }

    /// Whether it is a word, or a word and a number: also one of a later resolver.
    package static func isOption(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard let word = parts.first, (1...32).contains(word.count), parts.count <= 2 else { return false }
        let isWord = word.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || isDigit(byte) || "-_".utf8.contains(byte)
        }
        return isWord && (parts.count == 1 || ((1...5).contains(parts[1].count) && parts[1].allSatisfy(isDigit)))
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
