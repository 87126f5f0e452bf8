public import HTTPTypes

/// What an ``HTTPServer`` asks of the program it serves.
public protocol RequestHandler: Sendable {
    /// Decides what to do with a request whose headers have arrived and whose body has not.
    ///
    /// Called on a libmicrohttpd thread that serves other connections too: it must not block. What headers can decide
    /// (route, method, type, size) is decided here, so that no body is read for a request that will be refused.
    func accept(_ request: Request) -> Disposition

    /// Words a refusal that the server decided by itself. Must not block either.
    func response(to refusal: Refusal, of request: Request) -> Response
}

/// A request without its body.
public struct Request: Sendable {
    /// The method as sent; methods are case-sensitive, and an unknown one is the handler's to refuse.
    public let method: HTTPRequest.Method
    /// The target, split and percent-decoded, or what is wrong with it.
    public let target: Result<RequestTarget, RequestTarget.Malformation>
    /// The header fields in the order they were sent.
    public let headerFields: HeaderFields
    /// The body's announced length in bytes: 0 without a body, nil when it is chunked.
    public let contentLength: UInt64?
    /// Who sent it.
    public let client: Client

    /// Describes a request.
    public init(
        method: HTTPRequest.Method, target: Result<RequestTarget, RequestTarget.Malformation>,
        headerFields: HeaderFields, contentLength: UInt64?, client: Client
    ) {
        self.method = method
        self.target = target
        self.headerFields = headerFields
        self.contentLength = contentLength
        self.client = client
    }
}

/// The process at the other end of a Unix socket as it was when it connected (`SO_PEERCRED`, unix(7)).
public struct Peer: Sendable, Equatable {
    /// The effective user id.
    public let user: UInt32
    /// The effective group id.
    public let group: UInt32
    /// The process id as seen from here; 0 for a process outside our pid namespace.
    public let process: Int32

    /// Describes a peer.
    public init(user: UInt32, group: UInt32, process: Int32) {
        self.user = user
        self.group = group
        self.process = process
    }
}

/// What a handler says of an answer that may be given again: to the next request of the same connection, if that has
/// the same header section, byte for byte, and no body.
public protocol RecurringAnswer: Sendable {
    /// What the request is called that gets the same answer now; nil says that it is to be accepted as any other.
    ///
    /// Called where ``RequestHandler/accept(_:)`` would be, and must not block either.
    func recur() -> String?
}

/// A handler's decision on a request's headers.
public enum Disposition: Sendable {
    /// Answer now. A body still to come is not read, and the connection is closed after the answer.
    ///
    /// With `again` the handler need not be asked for as long as the connection's next requests are the same.
    case respond(Response, again: (any RecurringAnswer)? = nil)
    /// Read the body, of at most `limit` bytes, then answer with what the function returns.
    ///
    /// The function runs in a task of its own, which is not cancelled when the client hangs up. Besides the body it gets
    /// what tells that the answer is near.
    case read(limit: Int, then: @Sendable ([UInt8], NearAnswer) async -> Response)
    /// Throw the body away, of at most `limit` bytes, then answer with what the function returns, as above: for an
    /// answer that is to take its time, and to a client that is to read it, which one that still sends may not.
    ///
    /// A body that is announced to be longer is refused at once, with ``Refusal/contentTooLarge(limit:)``, since
    /// nothing that goes out before a body can take its time; one that turns out to be is cut off.
    case discard(limit: Int, then: @Sendable () async -> Response)
}

/// Why the server refused a request before or instead of asking the handler for an answer.
public enum Refusal: Sendable, Equatable {
    /// The message's framing is ambiguous or malformed (RFC 9112, sections 3.2, 6 and 11.2); says how.
    case malformed(String)
    /// The request target is longer than ``HTTPServer/Configuration/headerBytes``.
    case targetTooLong(limit: Int)
    /// The header section is longer than ``HTTPServer/Configuration/headerBytes``.
    case headersTooLarge(limit: Int)
    /// The body is longer than the handler's limit, in bytes.
    case contentTooLarge(limit: Int)
    /// The server is draining and begins nothing new.
    case shuttingDown
    /// The client has presented a TLS certificate that is not to be believed; says why, as in `it has expired`.
    case certificateRefused(String)
}

/// An answer.
public struct Response: Sendable {
    /// The status; its reason phrase is not sent, libmicrohttpd has its own.
    public var status: HTTPResponse.Status
    /// The header fields; `Content-Length`, `Transfer-Encoding`, `Date`, `Connection`, `Server` and `X-Request-Id` are
    /// left to the server.
    public var headerFields: HeaderFields
    /// What the request is called, for the `X-Request-Id` field; nil leaves it out. Apart from the others, because they
    /// are the same each time the same is asked for.
    public var requestID: String?
    /// The body; not sent in answer to HEAD, while the length of bytes is.
    public var body: Body

    /// What follows the headers.
    public enum Body: Sendable {
        /// Everything, known now.
        case bytes([UInt8])
        /// What the stream gives, chunked for HTTP/1.1. A stream belongs to one response, and is not started for HEAD.
        case stream(any BodyStream)
    }

    /// Makes an answer.
    public init(status: HTTPResponse.Status, headerFields: HeaderFields = [:], body: [UInt8] = []) {
        self.status = status
        self.headerFields = headerFields
        self.body = .bytes(body)
    }

    /// Makes an answer whose body is produced while it is sent.
    public init(status: HTTPResponse.Status, headerFields: HeaderFields = [:], stream: any BodyStream) {
        self.status = status
        self.headerFields = headerFields
        body = .stream(stream)
    }

    /// Ends the stream, if there is one, of an answer that will not be sent.
    func discard() {
        if case .stream(let stream) = body { stream.ended() }
    }
}
