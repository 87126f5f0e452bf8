import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/v1/namespaces/{name}`
    static func namespace(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces/{name}",
            [
                (
                    .get, .read,
                    .recalling(RecentAnswers(of: manager)) { (call, _) async throws(Problem) in
                        try await get(call, manager)
                    }
                ),
                (.put, .create, .awaiting { (call, body) async throws(Problem) in try await put(call, body, manager) }),
                (
                    .patch, .change,
                    .patching { (call, body) async throws(Problem) in try await patch(call, body, manager) }
                ),
                (.delete, .delete, .awaiting { (call, _) async throws(Problem) in try await delete(call, manager) }),
            ])
    }

    /// `/v1/namespaces/{name}/renew`
    static func renewal(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces/{name}/renew",
            [(.post, .change, .awaiting { (call, body) async throws(Problem) in try await renew(call, body, manager) })]
        )
    }
}

// MARK: - GET /v1/namespaces/{name}

private func get(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        return .namespace(try await manager.namespace(name))
    } catch {
        throw Problem(error)
    }
}

// MARK: - PUT /v1/namespaces/{name}

private func put(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    guard name.isCreatable else { throw Problem(.invalidName, "The name in the path is \(NamespaceName.rule).") }
    let fields = try Fields(
        body: body, depth: call.admission.limits.jsonDepth, allowing: ["loopback", "labels", "leaseSeconds"])
    let creation = Creation(
        .exactly(name), .new(try fields.loopback()), labels: try fields.labels(),
        leaseSeconds: try fields.leaseSeconds(), by: call.authority)
    let (precondition, exclusion) = (try call.precondition(), try call.exclusion())
    let (namespace, isNew) = try await call.creating(1, within: manager) {
        (manager, reservation) async throws(Problem) in
        do throws(NamespaceError) {
            return try await manager.ensure(
                name, creation.within(reservation), if: precondition, unless: exclusion)
        } catch {
            throw Problem(error)
        }
    }
    return isNew ? .created(namespace) : .namespace(namespace)
}

// MARK: - PATCH /v1/namespaces/{name}

private func patch(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    let precondition = try call.precondition()
    guard !body.isEmpty else {
        throw Problem(.malformedJSON, "A patch has a body; {} changes nothing but adopts what another tool made.")
    }
    let fields = try Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: ["labels", "lease"])
    let patch = Patch(labels: try fields.labelChange(), lease: try fields.leaseChange())
    do throws(NamespaceError) {
        return .namespace(try await manager.update(name, patch, if: precondition, by: call.authority))
    } catch {
        throw Problem(error)
    }
}

extension Fields {
    /// `labels` of a merge patch (RFC 7396): null removes, a label's or all of them.
    fileprivate func labelChange() throws(Problem) -> Patch.LabelChange? {
        switch self["labels"] {
        case nil: return nil
        case .null?: return .removeAll
        case .object(let members)?:
            var changes: [String: String?] = [:]
            for (key, value) in members {
                guard Labels.isKey(key) else { throw problem("labels.\(key)", Labels.keyRule) }
                switch value {
                case .null: changes[key] = .some(nil)
                case .string(let text) where Labels.isValue(text): changes[key] = text
                case .string: throw problem("labels.\(key)", Labels.valueRule)
                default: throw problem("labels.\(key)", "The value is a string or null, not \(value.kind).")
                }
            }
            return .merge(changes)
        case let other?: throw problem("labels", "The value is an object or null, not \(other.kind).")
        }
    }

    /// `lease` of a merge patch.
    fileprivate func leaseChange() throws(Problem) -> Patch.LeaseChange? {
        switch self["lease"] {
        case nil: return nil
        case .null?: return .pin
        case let value?:
            let lease = try Fields(value, at: "lease", inside: self, allowing: ["seconds"])
            guard let seconds = try lease.integer("seconds", in: Lease.range) else {
                throw lease.problem("seconds", "A lease has its seconds; null is no lease.")
            }
            return .seconds(seconds)
        }
    }
}

extension Call {
    /// What `If-Match` asks for, if it is there.
    fileprivate func precondition() throws(Problem) -> Precondition? {
        try condition(in: .ifMatch, Precondition.init(ifMatch:))
    }

    /// What `If-None-Match` asks for, if it is there.
    fileprivate func exclusion() throws(Problem) -> Precondition? {
        try condition(in: .ifNoneMatch, Precondition.init(ifNoneMatch:))
    }

    private func condition(
        in name: HTTPField.Name, _ parse: (String) -> Precondition?
    ) throws(Problem) -> Precondition? {
        guard let text = request.headerFields[name] else { return nil }
        guard let condition = parse(text) else {
            let name = name.rawName
            throw Problem(.invalidParameter, "\(name) is * or the ETag of an earlier answer.", field: name)
        }
        return condition
    }

    /// Any file name: what other tools made has names that we would not give.
    func namespaceName() throws(Problem) -> NamespaceName {
        guard let name = NamespaceName(bytes: name) else {
            throw Problem(.invalidName, "The name in the path is no file name: 1 to 255 bytes without / and NUL.")
        }
        return name
    }
}

// MARK: - POST /v1/namespaces/{name}/renew

private func renew(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    let precondition = try call.precondition()
    _ = try Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: [])
    do throws(NamespaceError) {
        return .namespace(try await manager.renew(name, if: precondition, by: call.authority))
    } catch {
        throw Problem(error)
    }
}

// MARK: - DELETE /v1/namespaces/{name}

private func delete(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["ifUnused"])
    let name = try call.namespaceName()
    let ifUnused = try query.flag("ifUnused")
    let precondition = try call.precondition()
    do throws(NamespaceError) {
        try await manager.delete(name, ifUnused: ifUnused, if: precondition, by: call.authority)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}
