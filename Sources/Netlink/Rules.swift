import CNetlink
package import LinuxKit

extension NetlinkSocket {
    /// The namespace's routing rules, in the order in which they are asked.
    ///
    /// - Throws: `.listRules`; with `.notSupported` where the kernel has no rules (`CONFIG_IP_MULTIPLE_TABLES`).
    package func rules(family: IPAddress.Family? = nil) throws(SystemError) -> [Rule] {
        var rules: [Rule] = []
        for family in family.map({ [$0] }) ?? IPAddress.Family.allCases {
            let request = try Request(.listRules, type: RTM_GETRULE, flags: NLM_F_DUMP)
            var header = fib_rule_hdr()
            header.family = family.number
            request.append(header)
            rules += try dump(request) { RuleReader.rule(in: $0) }
        }
        return rules
    }
}

extension Request {
    /// Adds a rule. Refused with `.fileExists` for one that is there.
    package static func addRule(_ rule: Rule) throws(SystemError) -> Request {
        let request = try Request(.addRule, type: RTM_NEWRULE, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
        request.append(fib_rule_hdr(rule))
        request.put(rule)
        request.put(FRA_PROTOCOL, rule.protocol.rawValue)
        return request
    }

    /// Deletes the first rule that has everything that is given. Refused with `.noSuchFileOrDirectory` without one.
    package static func deleteRule(_ rule: Rule) throws(SystemError) -> Request {
        let request = try Request(.deleteRule, type: RTM_DELRULE)
        request.append(fib_rule_hdr(rule))
        request.put(rule)
        return request
    }

    /// Deletes the first rule of a priority, whatever it says.
    package static func deleteRule(priority: UInt32, family: IPAddress.Family) throws(SystemError) -> Request {
        let request = try Request(.deleteRule, type: RTM_DELRULE)
        var header = fib_rule_hdr()
        header.family = family.number
        request.append(header)
        request.put(FRA_PRIORITY, priority)
        return request
    }

    private func put(_ rule: Rule) {
        if let priority = rule.priority { put(FRA_PRIORITY, priority) }
        if let from = rule.from { put(FRA_SRC, from.address) }
        if let to = rule.to { put(FRA_DST, to.address) }
        if let link = rule.inputLink { put(FRA_IIFNAME, text: link.text) }
        if let link = rule.outputLink { put(FRA_OIFNAME, text: link.text) }
        if let mark = rule.mark { put(FRA_FWMARK, mark) }
        if let mask = rule.markMask { put(FRA_FWMASK, mask) }
        if let length = rule.suppressedPrefixLength { put(FRA_SUPPRESS_PREFIXLEN, length) }
        switch rule.action {
        case .lookup(let table): put(FRA_TABLE, table.rawValue)
        case .goto(let priority): put(FRA_GOTO, priority)
        case .nop, .blackhole, .unreachable, .prohibit, .other: break
        }
    }
}

extension fib_rule_hdr {
    fileprivate init(_ rule: Rule) {
        self.init()
        family = rule.family.number
        src_len = UInt8(rule.from?.length ?? 0)
        dst_len = UInt8(rule.to?.length ?? 0)
        action = rule.action.number
        if rule.isInverted { flags = UInt32(FIB_RULE_INVERT) }
    }
}

extension Rule.Action {
    fileprivate var number: UInt8 {
        switch self {
        case .lookup: UInt8(FR_ACT_TO_TBL)
        case .goto: UInt8(FR_ACT_GOTO)
        case .nop: UInt8(FR_ACT_NOP)
        case .blackhole: UInt8(FR_ACT_BLACKHOLE)
        case .unreachable: UInt8(FR_ACT_UNREACHABLE)
        case .prohibit: UInt8(FR_ACT_PROHIBIT)
        case .other(let number): number
        }
    }

    fileprivate init(number: UInt8, table: RouteTable, target: UInt32) {
        self =
            switch Int(number) {
            case FR_ACT_TO_TBL: .lookup(table)
            case FR_ACT_GOTO: .goto(target)
            case FR_ACT_NOP: .nop
            case FR_ACT_BLACKHOLE: .blackhole
            case FR_ACT_UNREACHABLE: .unreachable
            case FR_ACT_PROHIBIT: .prohibit
            default: .other(number)
            }
    }
}

/// Makes a ``Rule`` of what RTM_GETRULE answers.
enum RuleReader {
    /// Nil for another message, or a rule of another protocol.
    static func rule(in message: Message) -> Rule? {
        guard
            message.type == RTM_NEWRULE, let header = message.load(fib_rule_hdr.self),
            let family = IPAddress.Family(number: header.family)
        else { return nil }
        // The kernel leaves a priority of 0 out.
        var rule = Rule(
            family: family, priority: 0, action: .nop, isInverted: header.flags & UInt32(FIB_RULE_INVERT) != 0,
            protocol: .unspecified)
        var table = UInt32(header.table)
        var target: UInt32 = 0
        for attribute in message.attributes(after: fib_rule_hdr.self) {
            switch attribute.type {
            case FRA_TABLE: table = attribute.load() ?? table
            case FRA_GOTO: target = attribute.load() ?? 0
            case FRA_SRC: rule.from = attribute.address.flatMap { IPPrefix($0, length: Int(header.src_len)) }
            case FRA_DST: rule.to = attribute.address.flatMap { IPPrefix($0, length: Int(header.dst_len)) }
            default: read(attribute, into: &rule)
            }
        }
        rule.action = Rule.Action(number: header.action, table: RouteTable(rawValue: table), target: target)
        return rule
    }

    private static func read(_ attribute: Attribute, into rule: inout Rule) {
        switch attribute.type {
        case FRA_PRIORITY: rule.priority = attribute.load()
        case FRA_IIFNAME: rule.inputLink = LinkName(attribute.text)
        case FRA_OIFNAME: rule.outputLink = LinkName(attribute.text)
        case FRA_FWMARK: rule.mark = attribute.load()
        case FRA_FWMASK: rule.markMask = attribute.load().flatMap { (mask: UInt32) in mask == .max ? nil : mask }
        // All ones for none.
        case FRA_SUPPRESS_PREFIXLEN:
            rule.suppressedPrefixLength = attribute.load().flatMap { (length: UInt32) in length == .max ? nil : length }
        case FRA_PROTOCOL: rule.protocol = RouteProtocol(rawValue: attribute.load() ?? 0)
        default: break
        }
    }
}
