import HTTPTypes
package import Logging
package import MicroHTTP
package import NamespaceCore

/// The REST API: finds the route, refuses what headers alone show to be wrong, and words every answer.
package struct APIHandler: RequestHandler {
    private let routes: [Route]
    private let admission: Admission
    private let requestIDs = RequestIDs()
    private let logger: Logger

    /// - Parameter workers: How many kernel workers there are, for `/v1/host`.
    package init(
        manager: NamespaceManager, workers: Int, limits: AdmissionLimits = AdmissionLimits(), logger: Logger
    ) {
        routes = [
            .health,
            .readiness(manager),
            .version,
            .specification,
            .host(manager, workers: workers),
            .events(manager.events),
            .namespaces(manager),
            .batch(manager, limit: limits.batchBytes),
            .prune(manager),
            .namespace(manager),
            .renewal(manager),
            .processes(manager),
            .processNamespace(manager),
        ]
        admission = Admission(limits)
        self.logger = logger
    }

    package func accept(_ request: Request) -> Disposition {
        let requestID = requestIDs.identifier(for: request)
        do throws(Problem) {
            let (call, endpoint) = try route(request, requestID: requestID)
            switch endpoint {
            case .immediate(let answer):
                return .respond(finish(try answer(call), of: call.request, requestID))
            case .reading(let limit, let types, let answer):
                try Self.refuseForeignBody(request, types)
                return .read(limit: limit ?? admission.limits.bodyBytes) { body in
                    do throws(Problem) {
                        let response = try await admission.admitting(call) { () async throws(Problem) in
                            try await answer(call, body)
                        }
                        return finish(response, of: call.request, requestID)
                    } catch {
                        return finish(error.response(requestID: requestID), of: call.request, requestID, error)
                    }
                }
            }
        } catch {
            return .respond(finish(error.response(requestID: requestID), of: request, requestID, error))
        }
    }

    package func response(to refusal: Refusal, of request: Request) -> Response {
        let problem =
            switch refusal {
            case .malformed(let why):
                Problem(.malformedRequest, why)
            case .targetTooLong(let limit):
                Problem(.targetTooLong, "The request target is longer than \(limit) bytes.")
            case .headersTooLarge(let limit):
                Problem(.headersTooLarge, "The header section is longer than \(limit) bytes.")
            case .contentTooLarge(let limit):
                Problem(.contentTooLarge, "The body is longer than \(limit) bytes.")
            case .shuttingDown:
                Problem(.shuttingDown, "The daemon is shutting down; ask again when it is back.")
            }
        let requestID = requestIDs.identifier(for: request)
        return finish(problem.response(requestID: requestID), of: request, requestID, problem)
    }

    private func route(_ request: Request, requestID: String) throws(Problem) -> (Call, Endpoint) {
        let target: RequestTarget
        switch request.target {
        case .success(let parsed): target = parsed
        case .failure(let malformation): throw Problem(.malformedRequest, malformation.advice)
        }
        for route in routes {
            guard let name = route.match(target.segments) else { continue }
            let call = Call(request: request, target: target, requestID: requestID, name: name, admission: admission)
            if let endpoint = route.endpoint(for: request.method) { return (call, endpoint) }
            if request.method == .options {
                let allow = route.allow
                return (
                    call,
                    .immediate { (_) throws(Problem) in Response(status: .noContent, headerFields: [.allow: allow]) }
                )
            }
            throw Problem(.methodNotAllowed, "This path answers \(route.allow).", allow: route.allow)
        }
        throw Problem(.routeNotFound, "There is nothing at this path; /openapi.yaml lists the paths.")
    }

    private static func refuseForeignBody(_ request: Request, _ types: [String]) throws(Problem) {
        let isExpected = [.post, .put, .patch].contains(request.method)
        guard request.contentLength != 0, isExpected else { return }
        let type = request.headerFields[.contentType] ?? ""
        let essence = type.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        guard types.contains(essence) else {
            throw Problem(
                .unsupportedMediaType, "A body must be JSON and say so: Content-Type: \(types[0]) (curl --json).")
        }
    }

    private func finish(
        _ response: Response, of request: Request, _ requestID: String, _ problem: Problem? = nil
    ) -> Response {
        var response = response
        response.headerFields[.server] = "netnsd/\(Version.current)"
        response.headerFields[.requestID] = requestID
        let level: Logger.Level = response.status.code == 500 ? .error : .debug
        if logger.logLevel <= level {
            var metadata: Logger.Metadata = [
                "request": "\(requestID)", "method": "\(request.method.rawValue)",
                "status": "\(response.status.code)",
            ]
            if let problem {
                metadata["problem"] = "\(problem.code.rawValue)"
                metadata["detail"] = "\(problem.detail)"
                if let operation = problem.operation {
                    metadata["cause"] = "\(operation) \(problem.path ?? ""): errno \(problem.errno ?? 0)"
                }
            }
            logger.log(level: level, "request answered", metadata: metadata)
        }
        return response
    }
}

extension RequestTarget.Malformation {
    /// For a person: what is wrong, and what is allowed.
    fileprivate var advice: String {
        switch self {
        case .notAPath, .badAuthority: "The request target is no path; it begins with / or http://HOST/."
        case .badEscape: "The path or query has a % that two hexadecimal digits do not follow."
        case .forbiddenByte: "The path or query has a NUL, a space or a control character; no name does."
        case .dotSegment: "The path has a segment . or .., encoded or not; neither is a name."
        }
    }
}
