/// Which packets ask which routing table: RTM_NEWRULE.
package struct Rule: Sendable, Equatable {
    /// What becomes of a packet that matches: `FR_ACT_…` of linux/fib_rules.h.
    package enum Action: Sendable, Equatable {
        case lookup(RouteTable)
        /// Goes on with the rule of that priority.
        case goto(UInt32)
        case nop
        case blackhole
        case unreachable
        case prohibit
        /// By number, one that this does not know.
        case other(UInt8)
    }

    package var family: IPAddress.Family
    /// The lower, the earlier; nil lets the kernel choose one before all but the first rule.
    package var priority: UInt32?
    /// Nil for every source.
    package var from: IPPrefix?
    /// Nil for every destination.
    package var to: IPPrefix?
    package var inputLink: LinkName?
    package var outputLink: LinkName?
    package var mark: UInt32?
    /// Which bits of the mark count; nil for all.
    package var markMask: UInt32?
    package var action: Action
    /// Matches what does not match (`not`).
    package var isInverted: Bool
    /// A found route with a prefix that is no longer does not count.
    package var suppressedPrefixLength: UInt32?
    package var `protocol`: RouteProtocol

    package init(
        family: IPAddress.Family, priority: UInt32? = nil, from: IPPrefix? = nil, to: IPPrefix? = nil,
        inputLink: LinkName? = nil, outputLink: LinkName? = nil, mark: UInt32? = nil, markMask: UInt32? = nil,
        action: Action, isInverted: Bool = false, suppressedPrefixLength: UInt32? = nil,
        protocol: RouteProtocol = .boot
    ) {
        self.family = family
        self.priority = priority
        self.from = from
        self.to = to
        self.inputLink = inputLink
        self.outputLink = outputLink
        self.mark = mark
        self.markMask = markMask
        self.action = action
        self.isInverted = isInverted
        self.suppressedPrefixLength = suppressedPrefixLength
        self.protocol = `protocol`
    }
}
