extension DNSConfiguration {
    /// resolv.conf(5), without a comment.
    var resolverText: String {
        var lines = nameservers.map { "nameserver \($0)" }
        if !search.isEmpty { lines.append("search \(search.joined(separator: " "))") }
        if !options.isEmpty { lines.append("options \(options.joined(separator: " "))") }
        return lines.map { $0 + "\n" }.joined()
    }

    /// hosts(5) with the lines that every such file has, without a comment; nil where there are no hosts.
    var hostsText: String? {
        if hosts.isEmpty { return nil }
        let lines = hosts.map { "\($0.address)\t\($0.names.joined(separator: " "))" }
        return (Self.localHosts + lines).map { $0 + "\n" }.joined()
    }

    private static let localHosts = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]

    /// Reads both files, whoever wrote them, as a resolver does. What a client could not ask for is left out.
    init(resolver: String?, hosts: String?) {
        self.init()
        for words in Self.lines(of: resolver ?? "", comments: ";#") {
            let values = words.dropFirst().map(String.init)
            switch words[0] {
            case "nameserver":
                nameservers += values.prefix(1).filter(Self.isAddress)
            case "search":
                search = values.filter(Self.isDomain)
            case "domain":
                search = values.prefix(1).filter(Self.isDomain)
            case "options":
                options += values.filter(Self.isOption)
            default: break
            }
        }
        for words in Self.lines(of: hosts ?? "", comments: "#") {
            let (address, names) = (String(words[0]), words.dropFirst().map(String.init))
            if Self.localHosts.contains("\(address)\t\(names.joined(separator: " "))") { continue }
            let known = names.filter(Self.isHostName).prefix(Self.mostNames)
            guard Self.isAddress(address), !known.isEmpty else { continue }
            self.hosts.append(Host(address: address, names: Array(known)))
        }
        nameservers = Array(nameservers.prefix(Self.mostNameservers))
        search = Array(search.prefix(Self.mostSearch))
        options = Array(options.prefix(Self.mostOptions))
        self.hosts = Array(self.hosts.prefix(Self.mostHosts))
    }

    /// The words of each line that has any, up to a comment.
    private static func lines(of text: String, comments: String) -> [[Substring]] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.prefix { !comments.contains($0) }.split { $0 == " " || $0 == "\t" }
            return words.isEmpty ? nil : words
        }
    }
}
