import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore
import Netlink
import Wiring

extension Route {
    /// `/v1/namespaces/{name}/rules`
    static func rules(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces/{name}/rules",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await list(call, manager) }),
                (
                    .post, .change,
                    .awaiting { (call, body) async throws(Problem) in try await add(call, body, manager) }
                ),
                (.delete, .change, .awaiting { (call, _) async throws(Problem) in try await remove(call, manager) }),
            ])
    }
}

private let numbers: ClosedRange<Int64> = 0...Int64(UInt32.max)

private func list(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        let rules = try await manager.rules(in: name)
        return .json { writer in
            writer.key("rules")
            writer.array(of: rules) { (writer, rule) in writer.object { $0.members(of: rule) } }
        }
    } catch {
        throw Problem(error)
    }
}

private func add(_ call: Call, _ body: [UInt8], _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    let fields = try Fields(
        body: body, depth: call.admission.limits.jsonDepth,
        allowing: ["priority", "family", "from", "to", "inputLink", "outputLink", "mark", "table", "action"])
    let rule = try fields.rule()
    do throws(NamespaceError) {
        try await manager.addRule(rule, in: name, by: call.authority)
        return .json(status: .created) { $0.members(of: rule) }
    } catch {
        throw Problem(error)
    }
}

private func remove(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["priority", "family"])
    let name = try call.namespaceName()
    guard let priority = try query.number("priority", in: 0...UInt32.max) else {
        throw Problem(.invalidParameter, "Which rule is meant is told by its priority.", field: "priority")
    }
    let family = try query.family()
    do throws(NamespaceError) {
        try await manager.removeRule(priority: priority, family: family, in: name, by: call.authority)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}

extension Fields {
    fileprivate func rule() throws(Problem) -> Rule {
        guard let priority = try integer("priority", in: numbers) else {
            throw problem("priority", "A rule has a priority; the lower ones are asked first.")
        }
        let (from, to) = (try prefix("from"), try prefix("to"))
        let asked: IPAddress.Family? = try choice("family")
        let family = asked ?? from?.family ?? to?.family ?? .v4
        for (key, prefix) in [("from", from), ("to", to)] {
            guard let prefix else { continue }
            guard prefix.family == family else { throw problem(key, "The prefix is of another family.") }
            guard prefix.isNetwork else { throw problem(key, "The bits behind the prefix are zero.") }
        }
        return Rule(
            family: family, priority: UInt32(priority), from: from, to: to, inputLink: try linkName("inputLink"),
            outputLink: try linkName("outputLink"), mark: try integer("mark", in: numbers).map { UInt32($0) },
            action: try action(), protocol: .static)
    }

    private func action() throws(Problem) -> Rule.Action {
        let table = try integer("table", in: 1...Int64(UInt32.max))
        let name = try string("action") ?? "lookup"
        guard (table != nil) == (name == "lookup") else {
            throw problem("table", "A rule that looks up has a table, and no other.")
        }
        switch name {
        case "lookup": return .lookup(RouteTable(rawValue: UInt32(table ?? 0)))
        case "blackhole": return .blackhole
        case "unreachable": return .unreachable
        case "prohibit": return .prohibit
        default: throw problem("action", "The value is one of lookup, blackhole, unreachable, prohibit.")
        }
    }
}

extension JSONWriter {
    fileprivate mutating func members(of rule: Rule) {
        var table: UInt32?
        let action: String
        switch rule.action {
        case .lookup(let found): (action, table) = ("lookup", found.rawValue)
        case .goto: action = "goto"
        case .nop: action = "nop"
        case .blackhole: action = "blackhole"
        case .unreachable: action = "unreachable"
        case .prohibit: action = "prohibit"
        case .other(let number): action = String(number)
        }
        member("priority", rule.priority ?? 0)
        member("family", rule.family.rawValue)
        member("from", rule.from?.description)
        member("to", rule.to?.description)
        member("inputLink", rule.inputLink?.description)
        member("outputLink", rule.outputLink?.description)
        member("mark", rule.mark)
        member("table", table)
        member("action", action)
    }
}
