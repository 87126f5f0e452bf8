import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore
import Netlink
import Wiring

/// What a namespace has several of, none of them with a path of its own, such as addresses: they are listed together,
/// and added, replaced and removed one at a time.
struct Entries<Filter: Sendable, Order: Sendable, Selector: Sendable, Entry: Sendable>: Sendable {
    /// The last segment of the path, and the list's name in the answer.
    let name: String
    /// Whether one may take the place of another; without it there is no PUT.
    var areReplaceable = true

    /// The query parameters that tell which ones are listed.
    var filters: [String] = []
    let filter: @Sendable (Query) throws(Problem) -> Filter
    let list: @Sendable (Filter, NamespaceName) async throws(NamespaceError) -> Named<[Entry]>

    /// The fields of one that there is to be.
    let fields: [String]
    let order: @Sendable (Fields) throws(Problem) -> Order
    let add: @Sendable (Order, _ replacing: Bool, NamespaceName, Authority) async throws(NamespaceError) -> Named<Entry>

    /// The query parameters that tell which one is to go.
    let selectors: [String]
    let selector: @Sendable (Query) throws(Problem) -> Selector
    let remove: @Sendable (Selector, NamespaceName, Authority) async throws(NamespaceError) -> Void

    /// Writes the members of one; the last parameter tells what a link is called.
    let write: @Sendable (inout JSONWriter, Entry, (LinkIndex?) -> String?) -> Void

    /// `/v1/namespaces/{name}/` and the entries' name.
    var route: Route {
        var rows: [Route.Row] = [
            (.get, .read, .awaiting { (call, _) async throws(Problem) in try await answerList(call) }),
            (.post, .change, .awaiting { (call, body) async throws(Problem) in try await answerAdd(call, body) }),
            (.delete, .change, .awaiting { (call, _) async throws(Problem) in try await answerRemove(call) }),
        ]
        if areReplaceable {
            let put = Endpoint.awaiting { (call, body) async throws(Problem) in
                try await answerAdd(call, body, replacing: true)
            }
            rows.insert((.put, .change, put), at: 2)
        }
        return Route("/v1/namespaces/{name}/\(name)", rows)
    }

    private func answerList(_ call: Call) async throws(Problem) -> Response {
        let query = try Query(call.target, allowing: filters)
        let namespace = try call.namespaceName()
        let filter = try filter(query)
        do throws(NamespaceError) {
            let found = try await list(filter, namespace)
            return .json { writer in
                writer.key(named: name)
                writer.array(of: found.value) { (writer, entry) in writer.object { write(&$0, entry, found.name) } }
            }
        } catch {
            throw Problem(error)
        }
    }

    private func answerAdd(_ call: Call, _ body: [UInt8], replacing: Bool = false) async throws(Problem) -> Response {
        _ = try Query(call.target, allowing: [])
        let namespace = try call.namespaceName()
        let order = try order(Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: fields))
        do throws(NamespaceError) {
            let made = try await add(order, replacing, namespace, call.authority)
            return .json(status: replacing ? .ok : .created) { write(&$0, made.value, made.name) }
        } catch {
            throw Problem(error)
        }
    }

    private func answerRemove(_ call: Call) async throws(Problem) -> Response {
        let query = try Query(call.target, allowing: selectors)
        let namespace = try call.namespaceName()
        let selector = try selector(query)
        do throws(NamespaceError) {
            try await remove(selector, namespace, call.authority)
            return Response(status: .noContent)
        } catch {
            throw Problem(error)
        }
    }
}
