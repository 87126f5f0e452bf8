import Foundation
import Testing

/// A message that no honest client sends, or one at the edge of what is allowed, and what becomes of it.
struct HostileRequest: Sendable, CustomTestStringConvertible {
    /// The first answer.
    enum Answer: Sendable {
        /// The connection is closed without one.
        case nothing
        /// libmicrohttpd's own, with a body of HTML.
        case library(Int)
        /// A problem document.
        case problem(Int, String)
        /// No refusal.
        case sound(Int)
    }

    /// What becomes of the connection.
    enum Connection: Sendable {
        case open
        case closed
    }

    let name: String
    let message: Data
    let answer: Answer
    let connection: Connection

    var testDescription: String { name }

    init(_ name: String, _ message: String, _ answer: Answer, _ connection: Connection) {
        self.name = name
        self.message = Data(message.utf8)
        self.answer = answer
        self.connection = connection
    }

    static var all: [HostileRequest] { framing + layout + hosts + targets + rest }

    static func get(_ target: String) -> String { "GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n" }
    static func get(fields: String) -> String { "GET /healthz HTTP/1.1\r\n\(fields)\r\n" }

    /// - Parameter rest: More fields, the empty line, and the body.
    static func post(_ rest: String) -> String {
        "POST /v1/namespaces:prune HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\(rest)"
    }

    static func run(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }
}
