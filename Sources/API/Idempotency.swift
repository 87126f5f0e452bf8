import HTTPTypes
import MicroHTTP
import NamespaceCore

extension HTTPField.Name {
    fileprivate static let idempotencyKey = token("Idempotency-Key")
    fileprivate static let idempotentReplayed = token("Idempotent-Replayed")
}

/// Answers a request that has an `Idempotency-Key` once: a retry gets the first answer again
/// (draft-ietf-httpapi-idempotency-key-header). Without a key it is simply answered.
///
/// Failures of the daemon's or the host's are not kept, so that a retry can succeed.
///
/// - Parameter answer: Given what to mark with what it makes, and what an earlier try made whose answer was lost.
func answerOnce(
    _ call: Call, _ body: [UInt8], _ answers: AnswerStore,
    _ answer: (RequestMark?, [Int: NamespaceName]) async throws(Problem) -> Response
) async throws(Problem) -> Response {
    guard let key = call.request.headerFields[.idempotencyKey] else { return try await answer(nil, [:]) }
    guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
        throw Problem(
            .invalidParameter, "The key is 1 to 255 visible ASCII characters, without spaces.", field: "Idempotency-Key"
        )
    }
    let method = Array(call.request.method.rawValue.utf8)
    // Everybody has keys of their own: what others use tells nothing, and blocks nobody.
    let mark = RequestMark(
        key: "\(call.principal.name) \(key)", fingerprint: Fingerprint(of: [method] + call.target.segments + [body]))
    let claim: AnswerStore.Claim
    do throws(NamespaceError) {
        claim = try await answers.claim(mark.key, mark.fingerprint)
    } catch {
        throw Problem(error)
    }
    switch claim {
    case .new(let made):
        return try await keep(answer, mark, made, call.requestID, answers)
    case .answered(let kept):
        return Response(kept)
    case .inProgress:
        throw Problem(.idempotencyInProgress, "The first request of this key is still running; ask again later.")
    case .reused:
        throw Problem(.idempotencyKeyReused, "The key was used for another request; choose a new one.")
    }
}

private func keep(
    _ answer: (RequestMark?, [Int: NamespaceName]) async throws(Problem) -> Response, _ mark: RequestMark,
    _ made: [Int: NamespaceName], _ requestID: String, _ answers: AnswerStore
) async throws(Problem) -> Response {
    let response: Response
    var failure: Problem?
    do throws(Problem) {
        response = try await answer(mark, made)
    } catch {
        response = error.response(requestID: requestID)
        failure = error
    }
    // A right that is missing may be given, what was not there may come, and what was too much at the time may not be any
    // more.
    let isOfTheMoment =
        [.forbidden, .notFound, .tooManyRequests].contains(response.status)
        || [.networkNotFound, .namespaceStale, .namespaceBusy].contains(failure?.code)
    let isFinal = response.status.code < 500 && !isOfTheMoment
    guard isFinal, let answer = AnswerStore.Answer(response) else {
        await answers.forget(mark.key)
        if let failure { throw failure }
        return response
    }
    await answers.keep(answer, for: mark.key)
    if let failure { throw failure }
    return response
}

extension AnswerStore.Answer {
    /// nil for an answer without an end.
    fileprivate init?(_ response: Response) {
        guard case .bytes(let body) = response.body else { return nil }
        self.init(
            status: response.status.code, type: response.headerFields[.contentType] ?? "",
            location: response.headerFields[.location], tag: response.headerFields[.eTag], body: body)
    }
}

extension Response {
    fileprivate init(_ kept: AnswerStore.Answer) {
        self.init(
            status: HTTPResponse.Status(code: kept.status), headerFields: [.contentType: kept.type], body: kept.body)
        headerFields[.location] = kept.location
        headerFields[.eTag] = kept.tag
        headerFields[.idempotentReplayed] = "true"
    }
}
