import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore
import Wiring

extension Route {
    /// `/v1/namespaces/{name}/watch`
    static func watch(_ watch: LinkWatch) -> Route {
        Route(
            "/v1/namespaces/{name}/watch",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await get(call, watch) }),
                (.put, .change, .awaiting { (call, body) async throws(Problem) in try await put(call, body, watch) }),
                (.delete, .change, .awaiting { (call, _) async throws(Problem) in try await delete(call, watch) }),
            ])
    }
}

private func get(_ call: Call, _ watch: LinkWatch) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        let isWatched = try await watch.isWatched(name)
        return .json { $0.member("watched", isWatched) }
    } catch {
        throw Problem(error)
    }
}

private func put(_ call: Call, _ body: [UInt8], _ watch: LinkWatch) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    _ = try Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: [])
    do throws(NamespaceError) {
        try await watch.watch(name, by: call.authority)
        return .json { $0.member("watched", true) }
    } catch {
        throw Problem(error)
    }
}

private func delete(_ call: Call, _ watch: LinkWatch) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        try await watch.unwatch(name, by: call.authority)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}
