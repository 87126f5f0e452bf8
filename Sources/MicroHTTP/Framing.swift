import HTTPTypes

/// Tells messages whose end two readers could see in different places, which libmicrohttpd lets through (RFC 9112,
/// sections 6.3 and 11.2): behind a proxy they smuggle requests.
enum Framing {
    /// What is wrong with the headers, in words for a person; nil when nothing is.
    static func fault(in fields: HTTPFields, isHTTP11: Bool) -> String? {
        var hosts = 0
        var lengths = 0
        var codings: [String] = []
        for field in fields {
            switch field.name {
            case .contentLength:
                lengths += 1
                guard !field.value.isEmpty, field.value.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                    return "Content-Length is a number of bytes."
                }
            case .transferEncoding:
                codings.append(field.value)
            case .host:
                hosts += 1
            default:
                break
            }
        }
        if lengths > 1 { return "Content-Length is given more than once." }
        if !codings.isEmpty {
            if lengths != 0 { return "Content-Length and Transfer-Encoding exclude each other." }
            if codings.count > 1 || codings[0].lowercased() != "chunked" {
                return "The only Transfer-Encoding understood is chunked."
            }
        }
        // Authority instead of Host is where HTTPFields puts nothing: HTTP/1 has the field alone.
        if isHTTP11 && hosts != 1 { return "HTTP/1.1 asks for exactly one Host field." }
        return nil
    }
}

extension HTTPField.Name {
    static let host = {
        guard let name = HTTPField.Name("Host") else { preconditionFailure("a token is a field name") }
        return name
    }()
}
