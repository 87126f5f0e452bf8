import HTTPTypes
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/v1/namespaces`
    static func namespaces(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces",
            [
                (.get, .awaiting { (call, _) async throws(Problem) in try await list(call, manager) }),
                (.post, .awaiting { (call, body) async throws(Problem) in try await create(call, body, manager) }),
            ])
    }
}

// MARK: - POST /v1/namespaces

private struct CreateBody: RequestBody {
    enum Key: String, CodingKey, CaseIterable { case name, namePrefix, loopback }

    let name: NamespaceName?
    let namePrefix: String
    let loopback: Loopback

    init(from container: KeyedDecodingContainer<Key>) throws {
        name = try container.string(.name).map(Self.name)
        let prefix = try container.string(.namePrefix)
        if let prefix {
            guard name == nil else {
                throw Problem(.invalidField, "Give name or namePrefix, not both.", field: "namePrefix")
            }
            guard NamespaceName.isPrefix(prefix) else {
                throw Problem(.invalidField, "namePrefix is \(NamespaceName.prefixRule).", field: "namePrefix")
            }
        }
        namePrefix = prefix ?? NamespaceName.defaultPrefix
        loopback = try container.loopback(.loopback)
    }

    private static func name(_ text: String) throws -> NamespaceName {
        guard let name = NamespaceName(bytes: Array(text.utf8)), name.isCreatable else {
            throw Problem(.invalidField, "name is \(NamespaceName.rule).", field: "name")
        }
        return name
    }
}

private func create(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let request = try CreateBody.decode(body)
    do throws(NamespaceError) {
        let namespace =
            if let name = request.name {
                try await manager.create(name, loopback: request.loopback)
            } else {
                try await manager.create(prefix: request.namePrefix, loopback: request.loopback)
            }
        return .created(namespace)
    } catch {
        throw Problem(error)
    }
}

extension Response {
    /// 201 with the resource and where it is.
    static func created(_ namespace: Namespace) -> Response {
        var response = Response.json(NamespaceResource(namespace), status: .created)
        response.headerFields[.location] = "/v1/namespaces/\(namespace.name.pathSegment)"
        return response
    }
}

// MARK: - GET /v1/namespaces

private struct PageResource: Encodable {
    let namespaces: [NamespaceResource]
    let total: Int
    @ExplicitNull var next: String?
}

private func list(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["limit", "after"])
    let limit = try query.integer("limit", in: 1...1000, default: 100)
    var after: NamespaceName?
    if let bytes = query.bytes("after") {
        guard let name = NamespaceName(bytes: bytes) else {
            throw Problem(.invalidParameter, "The value is a name, as next of the page before.", field: "after")
        }
        after = name
    }
    do throws(NamespaceError) {
        let page = try await manager.list(limit: limit, after: after)
        return .json(
            PageResource(
                namespaces: page.namespaces.map(NamespaceResource.init), total: page.total,
                next: page.next?.description))
    } catch {
        throw Problem(error)
    }
}
