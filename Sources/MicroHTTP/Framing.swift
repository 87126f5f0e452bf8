import HTTPTypes

/// Tells messages whose end or whose addressee two readers could see differently, most of which libmicrohttpd lets
/// through (RFC 9112, sections 3.2, 6.3 and 11.2): behind a proxy they smuggle requests.
enum Framing {
    /// What is wrong with a request, in words for a person; nil when nothing is.
    static func fault(in request: Request, version: String) -> String? {
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else { return "The version is HTTP/1.1 or HTTP/1.0." }
        let isHTTP11 = version == "HTTP/1.1"
        if let fault = fault(in: request.headerFields, isHTTP11: isHTTP11) { return fault }
        switch request.target {
        case .success(let target):
            return fault(in: target, over: request.client.transport, to: request.headerFields[.host])
        case .failure(.notAPath), .failure(.forbiddenByte), .failure(.badAuthority):
            return "The request target is a path, with %XX for what is no visible ASCII character."
        case .failure:
            // The message is sound; the path is the handler's to refuse.
            return nil
        }
    }

    /// What is wrong with the fields.
    static func fault(in fields: HeaderFields, isHTTP11: Bool) -> String? {
        var (lengths, codings, hosts) = (0, 0, 0)
        var (isChunked, isAuthority) = (true, true)
        for field in fields {
            switch field.name {
            case .contentLength:
                lengths += 1
                guard !field.value.isEmpty, field.value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                    return "Content-Length is a number of bytes."
                }
            case .transferEncoding:
                codings += 1
                isChunked = field.value.lowercased() == "chunked"
            case .host:
                hosts += 1
                isAuthority = Authority.isWellFormed(field.value.utf8)
            default:
                break
            }
        }
        if lengths > 1 { return "Content-Length is given more than once." }
        if codings > 0 {
            if lengths != 0 { return "Content-Length and Transfer-Encoding exclude each other." }
            if !isHTTP11 { return "HTTP/1.0 knows no Transfer-Encoding." }
            if codings > 1 || !isChunked { return "The only Transfer-Encoding understood is chunked." }
        }
        // HTTP/1.0 may do without one.
        if hosts > 1 || isHTTP11 && hosts == 0 { return "There is exactly one Host field." }
        return isAuthority ? nil : "Host is a name or an address, and perhaps a port."
    }

    /// What is wrong with a target that says itself whom it is for.
    private static func fault(
        in target: RequestTarget, over transport: Client.Transport, to host: String?
    ) -> String? {
        guard let origin = target.origin else { return nil }
        if origin.isSecure != (transport == .tls) { return "The scheme in the request target is not the connection's." }
        guard let host else { return nil }
        let (named, asked) = (Authority(host.utf8), Authority(origin.authority))
        return named == asked ? nil : "The request target is for another host than Host says."
    }
}

/// A host and perhaps a port (RFC 9112, section 3.2); user information is not allowed there.
private struct Authority: Equatable {
    let host: [UInt8]
    let port: [UInt8]

    init?(_ text: some Collection<UInt8>) {
        guard let end = Self.endOfHost(in: text) else { return nil }
        host = text[..<end].map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
        port = Array(text[end...].dropFirst())
    }

    static func isWellFormed(_ text: String.UTF8View) -> Bool {
        unsafe text.withContiguousStorageIfAvailable { unsafe endOfHost(in: $0) != nil } ?? (endOfHost(in: text) != nil)
    }

    /// Where the port begins with its colon, if there is one; nil for what is no host and port.
    private static func endOfHost<Text: Collection<UInt8>>(in text: Text) -> Text.Index? {
        let end: Text.Index
        if text.first == UInt8(ascii: "[") {
            guard let bracket = text.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            let address = text[..<bracket].dropFirst()
            guard !address.isEmpty, address.allSatisfy({ isHexDigit($0) || ":.".utf8.contains($0) }) else { return nil }
            end = text.index(after: bracket)
        } else {
            end = text.firstIndex(of: UInt8(ascii: ":")) ?? text.endIndex
            guard end > text.startIndex, text[..<end].allSatisfy(isNameByte) else { return nil }
        }
        return end == text.endIndex || isPort(text[end...]) ? end : nil
    }

    /// Whether this is a colon and a number that a port can have.
    private static func isPort(_ text: some Collection<UInt8>) -> Bool {
        guard text.first == UInt8(ascii: ":"), (2...6).contains(text.count) else { return false }
        var number = 0
        for digit in text.dropFirst() {
            guard (0x30...0x39).contains(digit) else { return false }
            number = number * 10 + Int(digit - 0x30)
        }
        return number <= UInt16.max
    }

    /// Letters, digits and what names of hosts have besides in practice; none that a URL would have to encode.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): true
        default: false
        }
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
        default: false
        }
    }
}
