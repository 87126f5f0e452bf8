import HTTPTypes
import MicroHTTP

/// A request that has found its route.
struct Call: Sendable {
    let request: Request
    let target: RequestTarget
    let requestID: String
    /// What stands in the path where the route has `{name}` or the like, decoded.
    let name: [UInt8]
    let admission: Admission
    /// Where to note what the request touches, where that is recorded.
    var notes: AuditNotes?

    /// Who asks.
    let principal: Principal
}

/// How a route answers.
enum Endpoint: Sendable {
    typealias Answer = @Sendable (Call, [UInt8]) async throws(Problem) -> Response

    /// At once, on the connection's thread; for what is in memory.
    case immediate(@Sendable (Call) throws(Problem) -> Response)
    /// With the help of the core. A body is refused unless it is of one of the types and no longer than `limit` bytes, or than
    /// any may be; it is empty where the client sent none.
    case reading(limit: Int?, types: [String], Answer)

    /// As reading, without a body; what nothing has changed since is answered once more, at once.
    case recalling(RecentAnswers, Answer)

    /// With the help of the core, and a body of JSON or none.
    static func awaiting(limit: Int? = nil, _ answer: @escaping Answer) -> Endpoint {
        .reading(limit: limit, types: ["application/json"], answer)
    }
}

/// One path of the API and what each method does there.
struct Route: Sendable {
    private enum Segment {
        case literal([UInt8])
        case parameter
    }

    /// What one method does, and the right that whoever asks for it needs.
    typealias Method = (method: HTTPRequest.Method, right: Right, endpoint: Endpoint)

    let pattern: String
    private let segments: [Segment]
    let endpoints: [Method]
    /// The value of `Allow`.
    let allow: String

    /// - Parameter pattern: Such as `/v1/namespaces/{name}`, with at most one parameter.
    init(_ pattern: String, _ endpoints: [Method]) {
        self.pattern = pattern
        segments = pattern.utf8.dropFirst().split(separator: UInt8(ascii: "/")).map { segment in
            segment.first == UInt8(ascii: "{") ? .parameter : .literal(Array(segment))
        }
        self.endpoints = endpoints
        let methods = endpoints.map(\.method)
        let implied: [HTTPRequest.Method] = methods.contains(.get) ? [.head, .options] : [.options]
        allow = (methods + implied).map(\.rawValue).joined(separator: ", ")
    }

    /// The bytes that the parameter stands for, empty without one; nil when the path is another route's.
    func match(_ path: [[UInt8]]) -> [UInt8]? {
        guard path.count == segments.count else { return nil }
        var parameter: [UInt8] = []
        for (segment, bytes) in zip(segments, path) {
            switch segment {
            case .literal(let literal):
                guard literal == bytes else { return nil }
            case .parameter:
                parameter = bytes
            }
        }
        return parameter
    }

    /// Whether everybody may ask for it, known or not.
    var isOpen: Bool { endpoints.contains { $0.right == .open } }

    /// HEAD is answered as GET; libmicrohttpd leaves the body out.
    func endpoint(for method: HTTPRequest.Method) -> Method? {
        let method = method == .head ? .get : method
        return endpoints.first { $0.method == method }
    }
}
