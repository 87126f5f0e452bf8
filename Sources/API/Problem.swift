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
        case targetTooLong = "target-too-long"
        case headersTooLarge = "headers-too-large"
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
        case overloaded
        case rateLimited = "rate-limited"
        case quotaReached = "quota-reached"
        case shuttingDown = "shutting-down"
        case preconditionFailed = "precondition-failed"
        case noLease = "no-lease"
        case sourceNotFound = "source-not-found"
        case notANetworkNamespace = "not-a-network-namespace"
        case processNotFound = "process-not-found"
        case networkNotFound = "cni-network-not-found"
        case pluginFailed = "cni-plugin-failed"
        case pluginTimedOut = "cni-plugin-timeout"
        case attachmentNotFound = "attachment-not-found"
        case attachmentExists = "attachment-exists"
        case linkNotFound = "link-not-found"
        case linkTaken = "link-taken"
        case entryNotFound = "entry-not-found"
        case entryTaken = "entry-taken"
        case notSupported = "not-supported"
        case refusedByKernel = "refused-by-kernel"
        case wireNotFound = "wire-not-found"
        case wireTaken = "wire-taken"
        case sysctlNotFound = "sysctl-not-found"
        case sysctlNotAllowed = "sysctl-not-allowed"
        case dnsNotFound = "dns-not-found"
        case batchFailed = "batch-failed"
        case idempotencyInProgress = "idempotency-in-progress"
        case idempotencyKeyReused = "idempotency-key-reused"
        case revisionGone = "revision-gone"
        case certificateRefused = "certificate-refused"
        case unauthenticated
        case forbidden
        case hostNotAllowed = "host-not-allowed"
        case originNotAllowed = "origin-not-allowed"
    }

    let code: Code
    let detail: String
    /// What the client called what it is about; escaped when it is written.
    var field: String?
    var allow: String?
    var operation: String?
    var path: String?
    var errno: Int32?
    /// The right that is missing.
    var right: Right?
    /// The value of `WWW-Authenticate`.
    var challenge: String?
    var processes: [Int32]?
    /// The present revision, where the one asked for is not known any more.
    var revision: Int64?
    /// The CNI plugin that failed, and what it said.
    var plugin: PluginFailure?
    /// The item of a batch that failed, and why.
    var item: Int?
    var cause: [Problem] = []
    /// The seconds after which it is worth trying again, where that is known; 1 where it is not.
    var retryAfter: Int?

    /// A batch has the status of what made it fail.
    var status: HTTPResponse.Status { cause.first?.status ?? code.status }

    init(_ code: Code, _ detail: String, field: String? = nil, allow: String? = nil) {
        self.code = code
        self.detail = detail
        self.field = field
        self.allow = allow
    }
}

/// What a CNI plugin did wrong, as a problem tells of it.
struct PluginFailure: Sendable {
    var network: String?
    var type: String?
    var command: String?
    /// The plugin's own code, where it gave one.
    var code: Int64?
    var details: String?
}

extension Problem.Code {
    /// The one table from problems to statuses.
    var status: HTTPResponse.Status {
        switch self {
        case .malformedRequest, .malformedJSON, .invalidParameter, .invalidName: .badRequest
        case .certificateRefused: .unauthorized
        case .unauthenticated: .unauthorized
        case .routeNotFound, .namespaceNotFound, .processNotFound, .linkNotFound, .entryNotFound, .wireNotFound,
            .sysctlNotFound, .dnsNotFound, .attachmentNotFound:
            .notFound
        case .forbidden, .hostNotAllowed, .originNotAllowed, .sysctlNotAllowed: .forbidden
        case .methodNotAllowed: .methodNotAllowed
        case .nameTaken, .namespaceDiffers, .namespaceStale, .namespaceInUse, .namespaceBusy, .notANamespace, .noLease,
            .idempotencyInProgress, .batchFailed, .linkTaken, .entryTaken, .wireTaken, .attachmentExists:
            .conflict
        case .revisionGone: .gone
        case .preconditionFailed: .preconditionFailed
        case .targetTooLong: .uriTooLong
        case .headersTooLarge: .requestHeaderFieldsTooLarge
        case .contentTooLarge: .contentTooLarge
        case .rateLimited, .quotaReached: .tooManyRequests
        case .unsupportedMediaType: .unsupportedMediaType
        case .invalidField, .sourceNotFound, .notANetworkNamespace, .idempotencyKeyReused, .refusedByKernel,
            .networkNotFound:
            .unprocessableContent
        // Plugins stand behind the daemon as servers do behind a gateway.
        case .pluginFailed: .badGateway
        case .pluginTimedOut: .gatewayTimeout
        case .notSupported: .notImplemented
        case .kernelFailure: .internalServerError
        case .limitReached, .outOfMemory, .missingCapability, .directoryNotShared, .directoryUnavailable,
            .storageFailure, .shuttingDown, .overloaded:
            .serviceUnavailable
        }
    }

    /// `name-taken` reads `Name taken`.
    var title: String {
        let words = rawValue.replacing("-", with: " ").replacing("json", with: "JSON").replacing("dns", with: "DNS")
            .replacing("cni", with: "CNI")
        return words.prefix(1).uppercased() + words.dropFirst()
    }
}

// MARK: - As an answer

extension Problem {
    /// The answer to the request `requestID`.
    func response(requestID: String) -> Response {
        var response = Response.json(status: status, type: "application/problem+json") { writer in
            writer.members(of: self, requestID: requestID)
        }
        if let challenge { response.headerFields[.wwwAuthenticate] = challenge }
        if let allow { response.headerFields[.allow] = allow }
        if [.serviceUnavailable, .tooManyRequests].contains(status) || code == .idempotencyInProgress {
            response.headerFields[.retryAfter] = String(retryAfter ?? cause.first?.retryAfter ?? 1)
        }
        return response
    }
}

extension JSONWriter {
    /// A problem's members; `instance` only for the problem of a whole request.
    mutating func members(of problem: Problem, requestID: String? = nil) {
        member("type", "urn:netnsd:problem:\(problem.code.rawValue)")
        member("title", problem.code.title)
        member("status", problem.status.code)
        member("detail", problem.detail.harmlessProse)
        if let requestID { member("instance", requestID) }
        if let field = problem.field { member("field", field.harmless(sparing: " ")) }
        if let operation = problem.operation { member("operation", operation) }
        if let path = problem.path { member("path", path.harmless(sparing: " :@+,=~")) }
        if let errno = problem.errno { member("errno", errno) }
        if let right = problem.right { member("right", right.rawValue) }
        if let processes = problem.processes {
            key("pids")
            array(of: processes) { $0.value($1) }
        }
        if let plugin = problem.plugin {
            member("plugin") { writer in
                writer.member("network", plugin.network)
                writer.member("type", plugin.type?.harmless(sparing: " "))
                writer.member("command", plugin.command)
                writer.member("code", plugin.code)
                writer.member("details", plugin.details?.harmlessProse)
            }
        }
        if let revision = problem.revision { member("revision", revision) }
        if let item = problem.item { member("item", item) }
        if let cause = problem.cause.first { member("cause") { $0.members(of: cause) } }
    }
}

extension String {
    /// The text without what could be more than text: details are ours, but may tell of names that are not.
    fileprivate var harmlessProse: String {
        let isHarmless =
            utf8.count <= 1024 && utf8.allSatisfy { (0x20...0x7e).contains($0) && $0 != 0x3c && $0 != 0x3e }
        if isHarmless { return self }
        let digits = Array("0123456789ABCDEF".utf8)
        let text = utf8.prefix(1024).flatMap { byte in
            (0x20...0x7e).contains(byte) && byte != 0x3c && byte != 0x3e
                ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The text for an answer that repeats what a client sent: at most 256 characters, and those alone that no terminal,
    /// log or page takes for anything else. The others are percent-encoded, as in a URL.
    ///
    /// - Parameter spared: What is left as it is besides `A-Z a-z 0-9 _ . / ( ) -`.
    fileprivate func harmless(sparing spared: String) -> String {
        let plain = "_./()-" + spared
        let digits = Array("0123456789ABCDEF".utf8)
        var text: [UInt8] = []
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                text.append(byte)
            case _ where plain.utf8.contains(byte):
                text.append(byte)
            default:
                text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
            if text.count > 256 { return String(decoding: text.prefix(256), as: UTF8.self) + "..." }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
