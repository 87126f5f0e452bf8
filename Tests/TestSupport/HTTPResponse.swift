package import Foundation

/// An HTTP response as it came over the wire.
package struct HTTPResponse: Sendable {
    package let status: Int
    /// Field values by lower-case name; the last one where a name repeats.
    package let headers: [String: String]
    package var body: Data

    /// Parses a header section, without the empty line that ends it.
    package init(head: String, body: Data) throws {
        let lines = head.split(separator: "\r\n")
        let statusLine = lines.first?.split(separator: " ") ?? []
        guard statusLine.count >= 2, statusLine[0].hasPrefix("HTTP/1."), let status = Int(statusLine[1]) else {
            throw TestFailure("no status line: \(head)")
        }
        self.status = status
        self.body = body
        headers = Dictionary(
            lines.dropFirst().compactMap { line in
                guard let colon = line.firstIndex(of: ":") else { return nil }
                let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
                return (line[..<colon].lowercased(), value)
            }
        ) { _, last in last }
    }

    /// Parses a whole message, skipping interim responses before it.
    package init(message: Data) throws {
        var rest = message
        while let end = rest.firstRange(of: Data("\r\n\r\n".utf8)) {
            let head = String(decoding: rest[..<end.lowerBound], as: UTF8.self)
            rest = rest[end.upperBound...]
            let response = try HTTPResponse(head: head, body: Data(rest))
            if response.status >= 200 {
                self = response
                return
            }
        }
        throw TestFailure("no response in \(message.count) bytes")
    }

    /// The body as JSON.
    package var json: JSONValue {
        get throws { try JSONValue(parsing: body) }
    }

    /// The code of the problem document in the body; nil where there is none.
    package var problem: String? {
        guard headers["content-type"] == "application/problem+json", let type = try? json["type"]?.string,
            type.hasPrefix("urn:netnsd:problem:")
        else { return nil }
        return String(type.dropFirst("urn:netnsd:problem:".count))
    }

    /// The body as text.
    package var text: String { String(decoding: body, as: UTF8.self) }
}
