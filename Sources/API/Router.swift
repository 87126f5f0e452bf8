import HTTPTypes
import MicroHTTP

/// A request that has found its route, and whose body is there.
///
/// A class, as it is handed on many times, and each copy would retain ten objects.
final class Call: Sendable {
    let request: Request
    let target: RequestTarget
    let requestID: String
    /// What stands in the path where the route has `{name}` or the like, decoded.
    let name: [UInt8]
    /// The same, where the route has a second one, such as `{link}`.
    let item: [UInt8]
    let admission: Admission
    /// Where to note what the request touches, where that is recorded.
    let notes: AuditNotes?
    /// To be told when the answer is a matter of microseconds.
    let near: NearAnswer
    /// Who asks.
    let principal: Principal

    init(
        _ request: Request, _ requestID: String, target: RequestTarget, parameters: PathParameters,
        admission: Admission, notes: AuditNotes?, near: NearAnswer, principal: Principal
    ) {
        self.request = request
        self.target = target
        self.requestID = requestID
        name = parameters.first
        item = parameters.second
        self.admission = admission
        self.notes = notes
        self.near = near
        self.principal = principal
    }
}

/// How a route answers.
enum Endpoint: Sendable {
    typealias Answer = @Sendable (Call, [UInt8]) async throws(Problem) -> Response

    /// At once, on the connection's thread, and always the same.
    case immediate(Response)
    /// With the help of the core. A body is refused unless it is of one of the types and no longer than `limit` bytes,
    /// or than any may be; it is empty where the client sent none.
    case reading(limit: Int?, types: [String], Answer)

    /// As reading, without a body; what nothing has changed since is answered once more, at once.
    case recalling(RecentAnswers, Answer)

    /// With the help of the core, and a body of JSON or none.
    static func awaiting(limit: Int? = nil, _ answer: @escaping Answer) -> Endpoint {
        .reading(limit: limit, types: ["application/json"], answer)
    }

    /// With the help of the core, and a body that is a merge patch (RFC 7396).
    static func patching(_ answer: @escaping Answer) -> Endpoint {
        .reading(limit: nil, types: ["application/merge-patch+json", "application/json"], answer)
    }
}

/// What stands in a path where its route has parameters, decoded; empty without one.
struct PathParameters: Sendable {
    var first: [UInt8] = []
    var second: [UInt8] = []
}

/// One path of the API and what each method does there.
struct Route: Sendable {
    private enum Segment {
        case literal([UInt8])
        case first
        case second
    }

    /// What one method does, and the right that whoever asks for it needs.
    struct Method: Sendable {
        let method: HTTPRequest.Method
        let right: Right
        let endpoint: Endpoint
    }

    /// A ``Method`` as the table of routes has it.
    typealias Row = (HTTPRequest.Method, Right, Endpoint)

    let pattern: String
    private let segments: [Segment]
    let endpoints: [Method]
    /// The value of `Allow`.
    let allow: String

    /// - Parameter pattern: Such as `/v1/namespaces/{name}`, with at most two parameters.
    init(_ pattern: String, _ rows: [Row]) {
        self.pattern = pattern
        var hasParameter = false
        segments = pattern.utf8.dropFirst().split(separator: UInt8(ascii: "/")).map { segment in
            guard segment.first == UInt8(ascii: "{") else { return .literal(Array(segment)) }
            defer { hasParameter = true }
            return hasParameter ? .second : .first
        }
        endpoints = rows.map { Method(method: $0, right: $1, endpoint: $2) }
        let methods = endpoints.map(\.method)
        let implied: [HTTPRequest.Method] = methods.contains(.get) ? [.head, .options] : [.options]
        allow = (methods + implied).map(\.rawValue).joined(separator: ", ")
    }

    /// What the parameters stand for; nil when the path is another route's.
    func match(_ path: [[UInt8]]) -> PathParameters? {
        guard path.count == segments.count else { return nil }
        var parameters = PathParameters()
        for (segment, bytes) in zip(segments, path) {
            switch segment {
            case .literal(let literal):
                guard literal == bytes else { return nil }
            case .first:
                parameters.first = bytes
            case .second:
                parameters.second = bytes
            }
        }
        return parameters
    }

    /// Whether everybody may ask for it, known or not.
    var isOpen: Bool { endpoints.contains { $0.right == .open } }

    /// HEAD is answered as GET; libmicrohttpd leaves the body out.
    func endpoint(for method: HTTPRequest.Method) -> Method? {
        let method = method == .head ? .get : method
        return endpoints.first { $0.method == method }
    }
}
