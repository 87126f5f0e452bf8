import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore
import Netlink
import Wiring

extension Route {
    /// `/v1/namespaces/{name}/neighbours`
    static func neighbours(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces/{name}/neighbours",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await list(call, manager) }),
                (
                    .post, .change,
                    .awaiting { (call, body) async throws(Problem) in
                        try await add(call, body, manager, replacing: false)
                    }
                ),
                (
                    .put, .change,
                    .awaiting { (call, body) async throws(Problem) in
                        try await add(call, body, manager, replacing: true)
                    }
                ),
                (.delete, .change, .awaiting { (call, _) async throws(Problem) in try await remove(call, manager) }),
            ])
    }
}

private let addressRule = "an IP address such as 10.0.0.2 or fd00::2"

private func list(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        let neighbours = try await manager.neighbours(in: name)
        return .json { writer in
            writer.key("neighbours")
            writer.array(of: neighbours.value) { (writer, neighbour) in
                writer.object { $0.members(of: neighbour, on: neighbours.name(neighbour.link)) }
            }
        }
    } catch {
        throw Problem(error)
    }
}

private func add(
    _ call: Call, _ body: [UInt8], _ manager: NamespaceManager, replacing: Bool
) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    let fields = try Fields(
        body: body, depth: call.admission.limits.jsonDepth, allowing: ["link", "address", "mac", "state"])
    guard let link = try fields.linkName("link") else { throw fields.problem("link", "The value is \(LinkName.rule).") }
    guard let address = try fields.address("address") else {
        throw fields.problem("address", "The value is \(addressRule).")
    }
    guard let mac = try fields.mac("mac") else { throw fields.problem("mac", "A neighbour has a MAC address.") }
    let state = try fields.neighbourState() ?? .permanent
    do throws(NamespaceError) {
        let neighbour = try await manager.addNeighbour(
            address, mac: mac, state: state, on: link, replacing: replacing, in: name, by: call.authority)
        return .json(status: replacing ? .ok : .created) {
            $0.members(of: neighbour.value, on: neighbour.name(neighbour.value.link))
        }
    } catch {
        throw Problem(error)
    }
}

private func remove(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["link", "address"])
    let name = try call.namespaceName()
    let link = try query.linkName("link")
    let address = try query.parsed("address", as: addressRule) { IPAddress($0) }
    do throws(NamespaceError) {
        try await manager.removeNeighbour(address, on: link, in: name, by: call.authority)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}

extension Fields {
    fileprivate func neighbourState() throws(Problem) -> NeighbourState? {
        guard let text = try string("state") else { return nil }
        let states = [NeighbourState.permanent, .reachable, .stale, .noARP]
        guard let state = states.first(where: { $0.rawValue == text }) else {
            throw problem("state", "The value is one of \(states.map(\.rawValue).joined(separator: ", ")).")
        }
        return state
    }
}

extension JSONWriter {
    fileprivate mutating func members(of neighbour: Neighbour, on link: String?) {
        member("link", link ?? "")
        member("address", neighbour.address.description)
        member("family", neighbour.address.family.rawValue)
        member("mac", neighbour.mac?.description)
        member("state", neighbour.state.rawValue)
    }
}
