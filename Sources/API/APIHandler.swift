import HTTPTypes
package import LinuxKit
package import Logging
package import MicroHTTP
package import NamespaceCore
package import Wiring

/// The REST API: finds the route, refuses what headers alone show to be wrong, and words every answer.
package final class APIHandler: RequestHandler {
    let routes: [Route]
    private let access: AccessPolicy
    private let delay = RefusalDelay()
    private let admission: Admission
    private let requestIDs = RequestIDs()
    private let telemetry: Telemetry
    private let logger: Logger

    /// - Parameters:
    ///   - wires: What joins namespaces.
    ///   - watch: What happens inside them.
    ///   - hostLinks: What of the host is inside them.
    ///   - workers: How many kernel workers there are, for `/v1/host`.
    ///   - access: Who may do what.
    ///   - limits: What bounds everybody and each.
    ///   - attachments: The attachments to CNI networks; nil where there are to be none.
    ///   - lifecycle: Whether the daemon is going down, for `/readyz`.
    ///   - pool: The workers themselves, for `/metrics`.
    ///   - warm: The namespaces that are made in advance, for `/metrics` and `/v1/host`.
    ///   - sysctls: Those that clients may read and set.
    ///   - linkMetrics: Of how many links `/metrics` has counters.
    ///   - audit: Where mutations and refusals are recorded, nil for nowhere.
    package init(
        manager: NamespaceManager, wires: WireManager, watch: LinkWatch, hostLinks: HostLinks,
        attachments: Attachments? = nil, workers: Int, access: AccessPolicy,
        limits: AdmissionLimits = AdmissionLimits(),
        lifecycle: Lifecycle = Lifecycle(), pool: KernelWorkers, warm: WarmPool? = nil,
        sysctls: SysctlAllowList = .standard, linkMetrics: Int = 0, audit: AuditLog? = nil,
        logger: Logger
    ) {
        let attachments = attachments ?? Attachments(manager: manager, networks: nil, logger: logger)
        // They are looked through in this order, so those that are asked for most come first. No path is two's.
        let routes: [Route] = [
            .namespace(manager),
            .namespaces(manager),
            .health,
            .readiness(manager, lifecycle),
            .version,
            .specification,
            .host(manager, workers: workers, warm: warm),
            .events(manager.events),
            .batch(manager, limit: limits.batchBytes),
            .prune(manager),
            .renewal(manager),
            .attachments(attachments, manager.answers),
            .attachment(attachments),
            .attachmentCheck(attachments),
            .processes(manager),
            .processNamespace(manager),
            .links(manager, hostLinks),
            .link(manager, hostLinks),
            .addresses(manager),
            .routes(manager),
            .neighbours(manager),
            .rules(manager),
            .wires(wires),
            .wire(wires),
            .watch(watch),
            .sysctls(manager, allowed: sysctls),
            .sysctl(manager, allowed: sysctls),
            .dns(manager),
        ]
        telemetry = Telemetry(
            requests: RequestTally(patterns: routes.map(\.pattern) + [Route.metricsPattern]), audit: audit)
        let metrics = Metrics(
            telemetry: telemetry, manager: manager, workers: pool, warm: warm, wires: wires, watch: watch,
            linkLimit: linkMetrics)
        self.routes = routes + [.metrics(metrics)]
        self.access = access
        admission = Admission(limits)
        self.logger = logger
    }

    package func accept(_ request: Request) -> Disposition {
        let requestID = requestIDs.identifier(for: request)
        var observation = telemetry.begin(request)
        do throws(Problem) {
            let destination = try route(request, &observation)
            switch destination.endpoint {
            case .immediate(let response):
                let finished = finish(response, of: request, requestID, observation)
                return .respond(finished, again: standing(finished, to: request, observation))
            case .reading(let limit, let types, let answer):
                try Self.refuseForeignBody(request, types)
                return read(request, requestID, to: destination, limit: limit, observation, answer)
            case .recalling(let recent, let answer):
                let recollection = request.contentLength == 0 ? recent.recall(destination.target) : .unknowable
                if case .answer(let response, let hold) = recollection {
                    let finished = finish(response, of: request, requestID, observation)
                    return .respond(finished, again: standing(finished, to: request, observation, (recent, hold)))
                }
                return read(request, requestID, to: destination, limit: nil, observation) {
                    (call, body) async throws(Problem) in
                    guard case .unknown(let moment) = recollection else { return try await answer(call, body) }
                    return try await recent.share(call.target, since: moment) { () async throws(Problem) in
                        try await answer(call, body)
                    }
                }
            }
        } catch {
            let response = finish(error.response(requestID: requestID), of: request, requestID, observation, error)
            guard error.isRefusalOfAccess else { return .respond(response) }
            return .discard(limit: admission.limits.longestBody) { [delay] in
                await delay.wait()
                return response
            }
        }
    }

    /// With what the same client gets the answer again when it asks the same; nil where each is to be logged.
    private func standing(
        _ response: Response, to request: Request, _ observation: Telemetry.Observation,
        _ hold: (RecentAnswers, RecentAnswers.Hold)? = nil
    ) -> StandingAnswer? {
        guard logger.logLevel > .debug else { return nil }
        let tally = telemetry.requests.tally(
            route: observation.route, method: request.method, status: response.status.code)
        return StandingAnswer(
            to: request, of: observation.principal, under: access, requestIDs: requestIDs, tally: tally, hold: hold)
    }

    /// Answers once the body is there.
    private func read(
        _ request: Request, _ requestID: String, to destination: Destination, limit: Int?,
        _ observation: Telemetry.Observation, _ answer: @escaping Endpoint.Answer
    ) -> Disposition {
        let (target, parameters, principal) = (destination.target, destination.parameters, destination.principal)
        return .read(limit: limit ?? admission.limits.bodyBytes) { [self] (body, near) in
            let call = Call(
                request, requestID, target: target, parameters: parameters, admission: admission,
                notes: observation.notes, near: near, principal: principal)
            telemetry.requests.answerBegan()
            defer { telemetry.requests.answerEnded() }
            do throws(Problem) {
                let response = try await admission.admitting(call) { () async throws(Problem) in
                    try await answer(call, body)
                }
                return finish(response, of: request, requestID, observation)
            } catch {
                let response = error.response(requestID: requestID)
                let finished = finish(response, of: request, requestID, observation, error)
                if error.isRefusalOfAccess { await delay.wait() }
                return finished
            }
        }
    }

    package func response(to refusal: Refusal, of request: Request) -> Response {
        var problem =
            switch refusal {
            case .malformed(let why):
                Problem(.malformedRequest, why)
            case .targetTooLong(let limit):
                Problem(.targetTooLong, "The request target is longer than \(limit) bytes.")
            case .headersTooLarge(let limit):
                Problem(.headersTooLarge, "The header section is longer than \(limit) bytes.")
            case .contentTooLarge(let limit):
                Problem.tooLarge(limit: limit)
            case .shuttingDown:
                Problem(.shuttingDown, "The daemon is shutting down; ask again when it is back.")
            case .certificateRefused(let why):
                Problem(
                    .certificateRefused,
                    "The client certificate is refused: \(why). Connect with another one, or without.")
            }
        // A 401 must name a scheme, and there is none for certificates; a token would do instead.
        if problem.code == .certificateRefused { problem.challenge = #"Bearer realm="netnsd""# }
        let requestID = requestIDs.identifier(for: request)
        var observation = telemetry.begin(request)
        if case .success(let target) = request.target { _ = find(target, &observation) }
        return finish(problem.response(requestID: requestID), of: request, requestID, observation, problem)
    }

    /// What a request asks for, and who asks. A ``Call`` is made of it where an answer is to be made; for one that is
    /// there already, copying it all would take longer than the rest.
    private struct Destination {
        let endpoint: Endpoint
        let target: RequestTarget
        let parameters: PathParameters
        let principal: Principal
    }

    private func route(
        _ request: Request, _ observation: inout Telemetry.Observation
    ) throws(Problem) -> Destination {
        let target: RequestTarget
        switch request.target {
        case .success(let parsed): target = parsed
        case .failure(let malformation): throw Problem(.malformedRequest, malformation.advice)
        }
        let found = find(target, &observation)
        // Before anything is known of who asks: what is answered before a body has come cannot take its time, and so
        // must not tell whether a token is any good.
        let longest = admission.limits.longestBody
        if let length = request.contentLength, length > UInt64(longest) { throw Problem.tooLarge(limit: longest) }
        try access.checkOrigin(of: request)
        // Who is not known learns nothing of what there is, but that the daemon lives.
        let method = found.flatMap { routes[$0.place].endpoint(for: request.method) }
        let right = method?.right ?? (found.map { routes[$0.place].isOpen } == true ? .open : .read)
        let principal = right == .open ? .nobody : try access.principal(of: request)
        if right != .open { observation.principal = principal }
        try access.check(right, of: principal, for: request)
        guard let (place, parameters) = found else {
            throw Problem(.routeNotFound, "There is nothing at this path; /openapi.yaml lists the paths.")
        }
        if let method {
            return Destination(
                endpoint: method.endpoint, target: target, parameters: parameters, principal: principal)
        }
        guard request.method == .options else {
            let allow = routes[place].allow
            throw Problem(.methodNotAllowed, "This path answers \(allow).", allow: allow)
        }
        let answer = Response(status: .noContent, headerFields: [.allow: routes[place].allow])
        return Destination(
            endpoint: .immediate(answer), target: target, parameters: parameters, principal: principal)
    }

    /// The place of the path's route, and what stands in the path for its parameters.
    private func find(
        _ target: RequestTarget, _ observation: inout Telemetry.Observation
    ) -> (place: Int, parameters: PathParameters)? {
        for place in routes.indices {
            guard let parameters = routes[place].match(target.segments) else { continue }
            observation.route = place
            observation.parameter = parameters.first
            return (place, parameters)
        }
        return nil
    }

    private static func refuseForeignBody(_ request: Request, _ types: [String]) throws(Problem) {
        let isExpected = [.post, .put, .patch].contains(request.method)
        guard request.contentLength != 0, isExpected else { return }
        let type = request.headerFields[.contentType] ?? ""
        // As clients mostly have it; to take it apart costs more than to read the body.
        guard !types.contains(type) else { return }
        let essence = type.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        guard types.contains(essence) else {
            throw Problem(
                .unsupportedMediaType, "A body must be JSON and say so: Content-Type: \(types[0]) (curl --json).")
        }
    }

    private func finish(
        _ response: consuming Response, of request: Request, _ requestID: String, _ observation: Telemetry.Observation,
        _ problem: Problem? = nil
    ) -> Response {
        telemetry.end(observation, request, requestID, response, problem)
        response.requestID = requestID
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

extension Problem {
    fileprivate static func tooLarge(limit: Int) -> Problem {
        Problem(.contentTooLarge, "The body is longer than \(limit) bytes.")
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
