import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/v1/namespaces:batch`
    static func batch(_ manager: NamespaceManager, limit: Int) -> Route {
        Route(
            "/v1/namespaces:batch",
            [
                (
                    .post, .create,
                    .awaiting(limit: limit) { (call, body) async throws(Problem) in
                        try await create(call, body, manager)
                    }
                )
            ])
    }
}

/// How many namespaces one request may ask for.
private let mostItems = 1000

private func create(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let fields = try Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: ["items", "atomic"])
    let isAtomic = try fields.flag("atomic")
    let creations = try creations(fields, in: manager.directory, by: call.authority)
    return try await answerOnce(call, body, manager.answers) { (mark, made) async throws(Problem) in
        let creations = creations.enumerated().map { (number, creation) in
            var creation = creation
            creation.request = mark.map { RequestMark(key: $0.key, fingerprint: $0.fingerprint, item: number) }
            return creation
        }
        let results = try await call.creating(creations.count - made.count, within: manager) {
            (manager, reservation) async throws(Problem) in
            let creations = creations.map { $0.within(reservation) }
            guard isAtomic else { return await manager.create(creations, made: made) }
            do throws(BatchError) {
                return try await manager.createAtomically(creations, made: made).map { .success($0) }
            } catch {
                call.notes?.note(touched: [], failed: creations.compactMap(\.exactName))
                throw Problem(error, of: creations[error.item])
            }
        }
        return report(results, of: creations, isAtomic: isAtomic, to: call)
    }
}

private func creations(
    _ fields: Fields, in directory: String, by authority: Authority
) throws(Problem) -> [Creation] {
    guard case .array(let items)? = fields["items"], (1...mostItems).contains(items.count) else {
        throw fields.problem("items", "items is an array of 1 to \(mostItems) objects.")
    }
    var names: Set<NamespaceName> = []
    var creations: [Creation] = []
    for (number, item) in items.enumerated() {
        let fields = try Fields(item, at: "items.\(number)", inside: fields, allowing: CreateBody.fields)
        let creation = try CreateBody.creation(fields, in: directory, by: authority)
        if case .exactly(let name) = creation.name, !names.insert(name).inserted {
            throw fields.problem("name", "An earlier item has the same name.")
        }
        creations.append(creation)
    }
    return creations
}

private func report(
    _ results: [Result<Namespace, NamespaceError>], of creations: [Creation], isAtomic: Bool, to call: Call
) -> Response {
    call.notes?.note(
        touched: results.compactMap { try? $0.get().name },
        failed: zip(results, creations).compactMap { (try? $0.get()) == nil ? $1.exactName : nil })
    return .json { writer in
        writer.key("results")
        writer.array(of: zip(results, creations)) { (writer, item) in
            writer.object { writer in
                switch item.0 {
                case .success(let namespace):
                    writer.member("status", HTTPResponse.Status.created.code)
                    writer.member("namespace") { $0.members(of: namespace) }
                case .failure(let error):
                    let problem = Problem(error, of: item.1)
                    writer.member("status", problem.status.code)
                    writer.member("problem") { $0.members(of: problem) }
                }
            }
        }
        writer.member("atomic", isAtomic)
    }
}

extension Creation {
    /// The name that was asked for, nil for one of our choice.
    fileprivate var exactName: NamespaceName? {
        if case .exactly(let name) = name { name } else { nil }
    }
}
