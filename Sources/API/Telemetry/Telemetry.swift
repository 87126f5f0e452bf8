import HTTPTypes
import LinuxKit
import MicroHTTP
import NamespaceCore
import SystemPackage

/// What the API counts and records of its requests.
struct Telemetry: Sendable {
    let requests: RequestTally
    let audit: AuditLog?

    /// A request on its way to its answer.
    struct Observation: Sendable {
        let start: UInt64
        /// The route's place in the table, once it is found.
        var route: Int?
        /// What the path's parameter stands for.
        var parameter: [UInt8] = []
        /// Who asks, once it is known.
        var principal: Principal?
        /// Where the routes note what they touch; nil where nobody will read it.
        let notes: AuditNotes?
    }

    func begin(_ request: Request) -> Observation {
        Observation(
            start: SystemTime.monotonicNanoseconds,
            notes: audit != nil && request.method.isMutation ? AuditNotes() : nil)
    }

    /// Counts an answer, and records it where it is of a mutation or refuses somebody.
    func end(
        _ observation: Observation, _ request: Request, _ requestID: String, _ response: Response, _ problem: Problem?
    ) {
        let nanoseconds = SystemTime.monotonicNanoseconds - observation.start
        let status = response.status.code
        requests.add(route: observation.route, method: request.method, status: status, nanoseconds: nanoseconds)
        guard let audit, request.method.isMutation || [401, 403, 429].contains(status) else { return }
        var notes = observation.notes?.content ?? AuditNotes.Content()
        if notes.isEmpty, let name = observation.name ?? response.createdName { notes.add(name) }
        audit.append(
            AuditRecord(
                event: .request, request: requestID,
                principal: observation.principal.map(AuditRecord.Who.init) ?? .init(request.client),
                client: request.client,
                method: RequestTally.name(of: request.method), route: requests.name(ofRoute: observation.route),
                notes: notes, status: status, problem: problem?.code.rawValue,
                errno: (problem?.errno ?? problem?.cause.first?.errno).map { .init(rawValue: $0) },
                microseconds: nanoseconds / 1000))
    }
}

extension HTTPRequest.Method {
    /// Whether it asks for a change.
    fileprivate var isMutation: Bool { self == .post || self == .put || self == .patch || self == .delete }
}

extension Telemetry.Observation {
    fileprivate var name: String? {
        guard !parameter.isEmpty else { return nil }
        return NamespaceName(bytes: parameter)?.description ?? String(decoding: parameter.prefix(255), as: UTF8.self)
    }
}

extension Response {
    /// The name of what the answer says was created, by this request or by the one that it repeats.
    fileprivate var createdName: String? {
        headerFields[.location].flatMap { $0.split(separator: "/").last }.map(String.init)
    }
}
