import HTTPTypes
import JSONText
import MicroHTTP

/// A refusal or failure as the client sees it: an RFC 9457 problem document.
struct Problem: Error {
    /// The kinds of problem; the raw value ends the document's `type`, `urn:netnsd:problem:…`.
    enum Code: String, CaseIterable {
        case malformedRequest = "malformed-request"
        case malformedJSON = "malformed-json"
        case invalidParameter = "invalid-parameter"
        case invalidName = "invalid-name"
        case routeNotFound = "route-not-found"
        case namespaceNotFound = "namespace-not-found"
        case methodNotAllowed = "method-not-allowed"
        case nameTaken = "name-taken"
        case namespaceDiffers = "namespace-differs"
        case namespaceStale = "namespace-stale"
        case namespaceInUse = "namespace-in-use"
        case namespaceBusy = "namespace-busy"
        case notANamespace = "not-a-namespace"
        case contentTooLarge = "content-too-large"
        case unsupportedMediaType = "unsupported-media-type"
        case invalidField = "invalid-field"
        case kernelFailure = "kernel-failure"
        case limitReached = "limit-reached"
        case outOfMemory = "out-of-memory"
        case missingCapability = "missing-capability"
        case directoryNotShared = "directory-not-shared"
        case directoryUnavailable = "directory-unavailable"
        case storageFailure = "storage-failure"
        case shuttingDown = "shutting-down"
    }

    let code: Code
    let detail: String
    var field: String?
    var allow: String?
    var operation: String?
    var path: String?
    var errno: Int32?
    var processes: [Int32]?

    init(_ code: Code, _ detail: String, field: String? = nil, allow: String? = nil) {
        self.code = code
        self.detail = detail
        self.field = field
        self.allow = allow
    }
}

extension Problem.Code {
    /// The one table from problems to statuses.
    var status: HTTPResponse.Status {
        switch self {
        case .malformedRequest, .malformedJSON, .invalidParameter, .invalidName: .badRequest
        case .routeNotFound, .namespaceNotFound: .notFound
        case .methodNotAllowed: .methodNotAllowed
        case .nameTaken, .namespaceDiffers, .namespaceStale, .namespaceInUse, .namespaceBusy, .notANamespace: .conflict
        case .contentTooLarge: .contentTooLarge
        case .unsupportedMediaType: .unsupportedMediaType
        case .invalidField: .unprocessableContent
        case .kernelFailure: .internalServerError
        case .limitReached, .outOfMemory, .missingCapability, .directoryNotShared, .directoryUnavailable,
            .storageFailure, .shuttingDown:
            .serviceUnavailable
        }
    }

    /// `name-taken` reads `Name taken`.
    var title: String {
        let words = rawValue.replacing("-", with: " ").replacing("json", with: "JSON")
        return words.prefix(1).uppercased() + words.dropFirst()
    }
}

// MARK: - As an answer

extension Problem {
    /// The answer to the request `requestID`.
    func response(requestID: String) -> Response {
        var response = Response.json(status: code.status, type: "application/problem+json") { writer in
            writer.member("type", "urn:netnsd:problem:\(code.rawValue)")
            writer.member("title", code.title)
            writer.member("status", code.status.code)
            writer.member("detail", detail)
            writer.member("instance", requestID)
            if let field { writer.member("field", field) }
            if let operation { writer.member("operation", operation) }
            if let path { writer.member("path", path) }
            if let errno { writer.member("errno", errno) }
            if let processes {
                writer.key("pids")
                writer.array(of: processes) { $0.value($1) }
            }
        }
        if let allow { response.headerFields[.allow] = allow }
        if code.status == .serviceUnavailable { response.headerFields[.retryAfter] = "1" }
        return response
    }
}
