import HTTPTypes
import MicroHTTP

/// Serves nothing. In a file of its own: HTTPTypes has an `HTTPResponse` too.
struct NoHandler: RequestHandler {
    func accept(_ request: Request) -> Disposition { .respond(Response(status: .noContent)) }
    func response(to refusal: Refusal, of request: Request) -> Response { Response(status: .serviceUnavailable) }
}
