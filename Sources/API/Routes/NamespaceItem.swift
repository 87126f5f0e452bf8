import HTTPTypes
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/v1/namespaces/{name}`
    static func namespace(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces/{name}",
            [
                (.get, .awaiting { (call, _) async throws(Problem) in try await get(call, manager) }),
                (.put, .awaiting { (call, body) async throws(Problem) in try await put(call, body, manager) }),
                (.delete, .awaiting { (call, _) async throws(Problem) in try await delete(call, manager) }),
            ])
    }
}

// MARK: - GET /v1/namespaces/{name}

private func get(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try name(of: call)
    do throws(NamespaceError) {
        return .namespace(try await manager.namespace(name))
    } catch {
        throw Problem(error)
    }
}

// MARK: - PUT /v1/namespaces/{name}

private func put(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try name(of: call)
    guard name.isCreatable else { throw Problem(.invalidName, "The name in the path is \(NamespaceName.rule).") }
    let loopback = try Fields(body: body, allowing: ["loopback"]).loopback()
    do throws(NamespaceError) {
        let (namespace, isNew) = try await manager.ensure(name, loopback: loopback)
        return isNew ? .created(namespace) : .namespace(namespace)
    } catch {
        throw Problem(error)
    }
}

// MARK: - DELETE /v1/namespaces/{name}

private func delete(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["ifUnused"])
    let name = try name(of: call)
    let ifUnused = try query.flag("ifUnused")
    do throws(NamespaceError) {
        try await manager.delete(name, ifUnused: ifUnused)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}

/// Any file name: what other tools made has names that we would not give.
private func name(of call: Call) throws(Problem) -> NamespaceName {
    guard let name = NamespaceName(bytes: call.name) else {
        throw Problem(.invalidName, "The name in the path is no file name: 1 to 255 bytes without / and NUL.")
    }
    return name
}
