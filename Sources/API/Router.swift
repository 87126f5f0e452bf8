import HTTPTypes
import MicroHTTP

/// A request that has found its route.
struct Call: Sendable {
    let request: Request
    let target: RequestTarget
    let requestID: String
    /// What stands in the path where the route has `{name}`, decoded.
    let name: [UInt8]
}

/// How a route answers.
enum Endpoint: Sendable {
    /// At once, on the connection's thread; for what is in memory.
    case immediate(@Sendable (Call) throws(Problem) -> Response)
    /// With the help of the core. A body is refused unless it is JSON; it is empty where the client sent none.
    case awaiting(@Sendable (Call, [UInt8]) async throws(Problem) -> Response)
}

/// One path of the API and what each method does there.
struct Route: Sendable {
    private enum Segment {
        case literal([UInt8])
        case name
    }

    private let segments: [Segment]
    let endpoints: [(method: HTTPRequest.Method, endpoint: Endpoint)]
    /// The value of `Allow`.
    let allow: String

    /// - Parameter pattern: Such as `/v1/namespaces/{name}`.
    init(_ pattern: String, _ endpoints: [(method: HTTPRequest.Method, endpoint: Endpoint)]) {
        segments = pattern.utf8.dropFirst().split(separator: UInt8(ascii: "/")).map { segment in
            segment.elementsEqual("{name}".utf8) ? .name : .literal(Array(segment))
        }
        self.endpoints = endpoints
        let methods = endpoints.map(\.method)
        let implied: [HTTPRequest.Method] = methods.contains(.get) ? [.head, .options] : [.options]
        allow = (methods + implied).map(\.rawValue).joined(separator: ", ")
    }

    /// The bytes that `{name}` stands for, empty without one; nil when the path is another route's.
    func match(_ path: [[UInt8]]) -> [UInt8]? {
        guard path.count == segments.count else { return nil }
        var name: [UInt8] = []
        for (segment, bytes) in zip(segments, path) {
            switch segment {
            case .literal(let literal):
                guard literal == bytes else { return nil }
            case .name:
                name = bytes
            }
        }
        return name
    }

    /// HEAD is answered as GET; libmicrohttpd leaves the body out.
    func endpoint(for method: HTTPRequest.Method) -> Endpoint? {
        let method = method == .head ? .get : method
        return endpoints.first { $0.method == method }?.endpoint
    }
}
