import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/v1/namespaces`
    static func namespaces(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces",
            [
                (
                    .get, .read,
                    .recalling(RecentAnswers(of: manager)) { (call, _) async throws(Problem) in
                        try await list(call, manager)
                    }
                ),
                (
                    .post, .create,
                    .awaiting { (call, body) async throws(Problem) in try await create(call, body, manager) }
                ),
                (.delete, .delete, .awaiting { (call, _) async throws(Problem) in try await delete(call, manager) }),
            ])
    }

    /// `/v1/namespaces:prune`
    static func prune(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces:prune",
            [
                (
                    .post, .prune,
                    .awaiting { (call, body) async throws(Problem) in try await removeStale(call, body, manager) }
                )
            ])
    }
}

// MARK: - POST /v1/namespaces

private func create(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let fields = try Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: CreateBody.fields)
    let creation = try CreateBody.creation(fields, in: manager.directory, by: call.authority)
    if case .exactly(let name) = creation.name { call.notes?.note(name) }
    return try await answerOnce(call, body, manager.answers) { (mark, made) async throws(Problem) in
        var creation = creation
        creation.request = mark
        creation.isNearlyDone = { [near = call.near] in near.hint(in: $0) }
        // Made already by a try whose answer was lost.
        if let name = made[0], let namespace = try? await manager.namespace(name), namespace.record?.request == mark {
            return .created(namespace)
        }
        let namespace = try await call.creating(1, within: manager) {
            [creation] (manager, reservation) async throws(Problem) in
            do throws(NamespaceError) {
                return try await manager.create(creation.within(reservation))
            } catch {
                throw Problem(error, of: creation)
            }
        }
        return .created(namespace)
    }
}

// MARK: - GET /v1/namespaces

private let selectorParameters = ["label", "state", "origin", "prefix"]

private func list(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    let query = try Query(
        call.target, allowing: ["limit", "after"] + selectorParameters, repeatable: ["label"],
        bytes: ["after", "prefix"])
    let limit = try query.integer("limit", in: 1...1000, default: 100)
    let selector = try query.selector()
    var after: NamespaceName?
    if let bytes = query.bytes("after") {
        guard let name = NamespaceName(bytes: bytes) else {
            throw Problem(.invalidParameter, "The value is a name, as next of the page before.", field: "after")
        }
        after = name
    }
    do throws(NamespaceError) {
        let page = try await manager.list(selector, limit: limit, after: after)
        return .json { writer in
            writer.key("namespaces")
            writer.array(of: page.namespaces) { (writer, namespace) in
                writer.object { $0.members(of: namespace) }
            }
            writer.member("total", page.total)
            writer.member("next", page.next?.description)
            writer.member("revision", page.revision.number)
        }
    } catch {
        throw Problem(error)
    }
}

// MARK: - DELETE /v1/namespaces and POST /v1/namespaces:prune

private func delete(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    let query = try Query(
        call.target, allowing: selectorParameters + ["ifUnused", "dryRun"], repeatable: ["label"],
        bytes: ["prefix"])
    let selector = try query.selector()
    guard !selector.requirements.isEmpty else {
        throw Problem(
            .invalidParameter, "Say by at least one label what to delete, such as label=key=value.", field: "label")
    }
    let (ifUnused, dryRun) = (try query.flag("ifUnused"), try query.flag("dryRun"))
    do throws(NamespaceError) {
        let deletion = try await manager.delete(selector, ifUnused: ifUnused, dryRun: dryRun, by: call.authority)
        return report(deletion, dryRun: dryRun, to: call)
    } catch {
        throw Problem(error)
    }
}

private func removeStale(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    let dryRun = try Query(call.target, allowing: ["dryRun"]).flag("dryRun")
    _ = try Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: [])
    do throws(NamespaceError) {
        return report(try await manager.prune(dryRun: dryRun), dryRun: dryRun, to: call)
    } catch {
        throw Problem(error)
    }
}

private func report(_ deletion: BulkDeletion, dryRun: Bool, to call: Call) -> Response {
    call.notes?.note(touched: deletion.deleted, failed: deletion.failed.map(\.name), isDryRun: dryRun)
    return .json { writer in
        writer.member("deleted", deletion.deleted.map(\.description))
        writer.key("failed")
        writer.array(of: deletion.failed) { (writer, failure) in
            writer.object { writer in
                writer.member("name", failure.name.description)
                writer.member("problem") { $0.members(of: Problem(failure.error)) }
            }
        }
        writer.member("dryRun", dryRun)
    }
}

extension Query {
    /// `label`, `state`, `origin` and `prefix`.
    fileprivate func selector() throws(Problem) -> Selector {
        var selector = Selector()
        for bytes in all("label") {
            guard let requirement = Selector.Requirement(String(decoding: bytes, as: UTF8.self)) else {
                throw Problem(
                    .invalidParameter, "The value is KEY=VALUE, KEY!=VALUE or KEY. \(Labels.keyRule)", field: "label")
            }
            selector.requirements.append(requirement)
        }
        selector.state = try choice("state")
        selector.origin = try choice("origin")
        if let prefix = bytes("prefix") {
            // What a script's unset variable leaves, where a deletion may hang on it.
            guard !prefix.isEmpty else {
                throw Problem(.invalidParameter, "The value is the beginning of a name; leave it out.", field: "prefix")
            }
            selector.prefix = prefix
        }
        return selector
    }
}
