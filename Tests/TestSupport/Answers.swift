package import Foundation

/// Takes apart all that came over a connection, strictly: nothing but whole, well-formed answers.
package struct Answers {
    /// The answers, without interim ones.
    package private(set) var responses: [HTTPResponse] = []
    /// Whether the last is a stream of events, which has no end.
    package private(set) var endsInStream = false

    /// - Parameter mayLackBodies: Whether a HEAD may be among the requests.
    package init(parsing received: Data, mayLackBodies: Bool) throws {
        var rest = received[...]
        while !rest.isEmpty {
            guard let end = rest.firstRange(of: Data("\r\n\r\n".utf8)) else {
                throw TestFailure("no whole answer: \(String(decoding: rest.prefix(200), as: UTF8.self))")
            }
            guard let head = String(data: rest[..<end.lowerBound], encoding: .utf8) else {
                throw TestFailure("a head that is not UTF-8")
            }
            var response = try HTTPResponse(head: head, body: Data())
            rest = rest[end.upperBound...]
            if response.status < 200 { continue }
            try Self.checkFields(of: head)
            if Self.isOfTheLibrary(response) {
                responses.append(response)
                return
            }
            if response.headers["content-type"] == "text/event-stream" {
                endsInStream = true
                responses.append(response)
                return
            }
            response.body = try Self.body(of: response, &rest, mayLackBodies)
            responses.append(response)
        }
    }

    /// Whether libmicrohttpd has refused what came before a request existed for the daemon, and closes. 0.9.75 writes the
    /// head of such an answer twice where the connection has had a request before; nothing can come after it.
    package static func isOfTheLibrary(_ response: HTTPResponse) -> Bool {
        response.headers["server"] == nil && response.headers["connection"]?.lowercased() == "close"
            && [400, 413, 414, 431, 501, 505].contains(response.status)
    }

    private static func checkFields(of head: String) throws {
        for line in head.components(separatedBy: "\r\n").dropFirst() {
            guard line.wholeMatch(of: #/[A-Za-z0-9-]+: [\x20-\x7e]*/#) != nil else {
                throw TestFailure("a field that is none: \(line)")
            }
        }
    }

    private static func body(
        of response: HTTPResponse, _ rest: inout Data, _ mayLackBodies: Bool
    ) throws -> Data {
        guard let text = response.headers["content-length"] else {
            guard response.status == 204 || response.headers["transfer-encoding"] == nil else {
                throw TestFailure("an answer in chunks that is no stream of events")
            }
            return Data()
        }
        guard let length = Int(text) else { throw TestFailure("Content-Length \(text)") }
        if mayLackBodies, rest.isEmpty || rest.starts(with: Data("HTTP/1.1 ".utf8)) { return Data() }
        guard rest.count >= length else { throw TestFailure("\(rest.count) bytes of a body of \(length)") }
        defer { rest = rest.dropFirst(length) }
        return Data(rest.prefix(length))
    }
}
