import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore
import Netlink
import Wiring

extension Route {
    /// `/v1/wires`
    static func wires(_ wires: WireManager) -> Route {
        Route(
            "/v1/wires",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await list(call, wires) }),
                (
                    .post, .change,
                    .awaiting { (call, body) async throws(Problem) in try await create(call, body, wires) }
                ),
            ])
    }

    /// `/v1/wires/{id}`
    static func wire(_ wires: WireManager) -> Route {
        Route(
            "/v1/wires/{id}",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await get(call, wires) }),
                (
                    .patch, .change,
                    .patching { (call, body) async throws(Problem) in try await patch(call, body, wires) }
                ),
                (.delete, .change, .awaiting { (call, _) async throws(Problem) in try await delete(call, wires) }),
            ])
    }
}

// MARK: - /v1/wires

private func list(_ call: Call, _ wires: WireManager) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["limit", "after", "namespace"])
    let limit = try query.integer("limit", in: 1...1000, default: 100)
    var after: WireID?
    if let bytes = query.bytes("after") {
        after = WireID(bytes: bytes)
        guard after != nil else {
            throw Problem(.invalidParameter, "The value is the id of a wire: \(NamespaceName.rule).", field: "after")
        }
    }
    var namespace: NamespaceName?
    if let bytes = query.bytes("namespace") {
        namespace = NamespaceName(bytes: bytes)
        guard namespace != nil else {
            throw Problem(.invalidParameter, "The value is the name of a namespace.", field: "namespace")
        }
    }
    do throws(NamespaceError) {
        let page = try await wires.list(after: after, limit: limit, in: namespace)
        return .json { writer in
            writer.key("wires")
            writer.array(of: page.wires) { (writer, wire) in writer.object { $0.members(of: wire) } }
            writer.member("total", page.total)
            writer.member("next", page.hasMore ? page.wires.last?.wire.id.description : nil)
        }
    } catch {
        throw Problem(error)
    }
}

private func create(_ call: Call, _ body: [UInt8], _ wires: WireManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let fields = try Fields(
        body: body, depth: call.admission.limits.jsonDepth, allowing: ["id", "a", "b", "mtu", "impairment"])
    var order = WireOrder(a: try fields.end("a"), b: try fields.end("b"), mtu: try fields.mtu())
    if order.a.namespace == order.b.namespace, order.a.link == order.b.link {
        throw fields.problem("b.link", "Two links of one namespace have different names.")
    }
    if let id = try fields.string("id") {
        order.id = WireID(bytes: Array(id.utf8))
        if order.id == nil { throw fields.problem("id", "The id is \(NamespaceName.rule).") }
    }
    if let impairment = try fields.object("impairment", allowing: ["aToB", "bToA"]) {
        order.a.impairment = try impairment.impairment("aToB") ?? WireImpairment()
        order.b.impairment = try impairment.impairment("bToA") ?? WireImpairment()
    }
    for name in [order.a.namespace, order.b.namespace] { call.notes?.note(name) }
    do throws(NamespaceError) {
        let wire = try await wires.create(
            order, by: call.authority, within: call.admission.limits.wiresPerPrincipal)
        var response = Response.json(status: .created) { $0.members(of: wire) }
        response.headerFields[.location] = "/v1/wires/\(wire.wire.id)"
        return response
    } catch {
        throw Problem(error)
    }
}

// MARK: - /v1/wires/{id}

private func get(_ call: Call, _ wires: WireManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let id = try call.wireID()
    do throws(NamespaceError) {
        let wire = try await wires.wire(id)
        return .json { $0.members(of: wire) }
    } catch {
        throw Problem(error)
    }
}

private func patch(_ call: Call, _ body: [UInt8], _ wires: WireManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let id = try call.wireID()
    guard !body.isEmpty else { throw Problem(.malformedJSON, "A patch has a body; {} changes nothing.") }
    let fields = try Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: ["impairment"])
    let (aToB, bToA): (WireImpairment?, WireImpairment?)
    switch fields["impairment"] {
    case nil: (aToB, bToA) = (nil, nil)
    case .null?: (aToB, bToA) = (WireImpairment(), WireImpairment())
    default:
        let impairment = try fields.object("impairment", allowing: ["aToB", "bToA"])
        aToB = try impairment?.impairmentOrNull("aToB")
        bToA = try impairment?.impairmentOrNull("bToA")
    }
    do throws(NamespaceError) {
        let wire = try await wires.impair(id, aToB: aToB, bToA: bToA, by: call.authority)
        return .json { $0.members(of: wire) }
    } catch {
        throw Problem(error)
    }
}

private func delete(_ call: Call, _ wires: WireManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let id = try call.wireID()
    do throws(NamespaceError) {
        try await wires.delete(id, by: call.authority)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}

// MARK: - What is in requests

extension Call {
    fileprivate func wireID() throws(Problem) -> WireID {
        guard let id = WireID(bytes: name) else {
            throw Problem(.invalidName, "The id in the path is \(NamespaceName.rule).")
        }
        return id
    }
}

extension Fields {
    fileprivate func end(_ key: String) throws(Problem) -> Wire.End {
        guard let end = try object(key, allowing: ["namespace", "link", "mac", "addresses"]) else {
            throw problem(key, "A wire has two ends, each with its namespace and link.")
        }
        guard let namespace = try end.namespaceName("namespace") else {
            throw end.problem("namespace", "The value is the name of a namespace.")
        }
        return Wire.End(
            namespace: namespace, link: try end.requiredLinkName("link"), mac: try end.mac("mac"),
            addresses: try end.prefixes("addresses") ?? [])
    }

    fileprivate func impairmentOrNull(_ key: String) throws(Problem) -> WireImpairment? {
        self[key] == .null ? WireImpairment() : try impairment(key)
    }

    fileprivate func impairment(_ key: String) throws(Problem) -> WireImpairment? {
        let known = WireImpairment.integers.map(\.name) + WireImpairment.percentages.map(\.name)
        guard let fields = try object(key, allowing: known) else { return nil }
        var impairment = WireImpairment()
        for field in WireImpairment.integers {
            impairment[keyPath: field.path] = try fields.integer(field.name, in: field.range)
        }
        for field in WireImpairment.percentages { impairment[keyPath: field.path] = try fields.percentage(field.name) }
        if let widow = impairment.widow {
            throw fields.problem(widow.name, "The value is of no use without \(widow.needs).")
        }
        return impairment
    }
}

// MARK: - What is in answers

extension JSONWriter {
    fileprivate mutating func members(of status: WireStatus) {
        let wire = status.wire
        member("id", wire.id.description)
        member("state", status.state.rawValue)
        let ends: [(StaticString, Wire.End)] = [("a", wire.a), ("b", wire.b)]
        for (key, end) in ends {
            member(key) { writer in
                writer.member("namespace", end.namespace.description)
                writer.member("link", end.link.description)
                writer.member("mac", end.mac?.description)
                writer.member("addresses", end.addresses.map(\.description))
            }
        }
        member("mtu", wire.mtu)
        member("impairment") { writer in
            for (key, end) in [("aToB", wire.a), ("bToA", wire.b)] {
                writer.key(named: key)
                if end.impairment.isNone { writer.null() } else { writer.object { $0.members(of: end.impairment) } }
            }
        }
        member("createdAt", wire.createdAt.description)
        member("createdBy", wire.createdBy)
    }
}
