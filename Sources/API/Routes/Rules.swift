import JSONText
import NamespaceCore
import Netlink
import Wiring

extension Route {
    /// `/v1/namespaces/{name}/rules`
    static func rules(_ manager: NamespaceManager) -> Route {
        Entries(
            name: "rules",
            areReplaceable: false,
            filter: { (_) throws(Problem) in },
            list: { (_, name) async throws(NamespaceError) in Named(try await manager.rules(in: name)) },
            fields: ["priority", "family", "from", "to", "inputLink", "outputLink", "mark", "table", "action"],
            order: { (fields) throws(Problem) in try fields.rule() },
            add: { (rule, _, name, authority) async throws(NamespaceError) in
                try await manager.addRule(rule, in: name, by: authority)
                return Named(rule)
            },
            selectors: ["priority", "family"],
            selector: { (query) throws(Problem) in
                guard let priority = try query.number("priority", in: 0...UInt32.max) else {
                    throw Problem(.invalidParameter, "Which rule is meant is told by its priority.", field: "priority")
                }
                return (priority: priority, family: try query.family())
            },
            remove: { (it, name, authority) async throws(NamespaceError) in
                try await manager.removeRule(priority: it.priority, family: it.family, in: name, by: authority)
            },
            write: { (writer, rule, _) in writer.members(of: rule) }
        ).route
    }
}

private let numbers: ClosedRange<Int64> = 0...Int64(UInt32.max)

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
