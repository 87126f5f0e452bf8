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
                (.get, .awaiting { (call, _) async throws(Problem) in try await list(call, manager) }),
                (.post, .awaiting { (call, body) async throws(Problem) in try await create(call, body, manager) }),
            ])
    }
}

// MARK: - POST /v1/namespaces

private struct CreateBody {
    let name: NamespaceName?
    let namePrefix: String
    let loopback: Loopback

    init(_ fields: Fields) throws(Problem) {
        name = try fields.creatableName()
        let prefix = try fields.string("namePrefix")
        if let prefix {
            guard name == nil else { throw fields.problem("namePrefix", "Give name or namePrefix, not both.") }
            guard NamespaceName.isPrefix(prefix) else {
                throw fields.problem("namePrefix", "namePrefix is \(NamespaceName.prefixRule).")
            }
        }
        namePrefix = prefix ?? NamespaceName.defaultPrefix
        loopback = try fields.loopback()
    }

    static let fields = ["name", "namePrefix", "loopback"]
}

extension Fields {
    /// `name`, which may be left out.
    fileprivate func creatableName() throws(Problem) -> NamespaceName? {
        guard let text = try string("name") else { return nil }
        guard let name = NamespaceName(bytes: Array(text.utf8)), name.isCreatable else {
            throw problem("name", "name is \(NamespaceName.rule).")
        }
        return name
    }
}

private func create(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let request = try CreateBody(Fields(body: body, allowing: CreateBody.fields))
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

// MARK: - GET /v1/namespaces

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
        return .json { writer in
            writer.key("namespaces")
            writer.array(of: page.namespaces) { (writer, namespace) in
                writer.object { $0.members(of: namespace) }
            }
            writer.member("total", page.total)
            writer.member("next", page.next?.description)
        }
    } catch {
        throw Problem(error)
    }
}
