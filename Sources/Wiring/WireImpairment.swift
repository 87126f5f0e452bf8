package import JSONText

/// What is done to the traffic that leaves one end of a wire. Nothing is done where a value is nil.
package struct WireImpairment: Sendable, Equatable {
    /// Traffic beyond it waits or is dropped; tc-tbf(8).
    package var rateBitsPerSecond: Int64?
    /// How much may go at once at full speed, in bytes; only with a rate.
    package var burstBytes: Int64?
    package var delayMicroseconds: Int64?
    /// How much the delay varies; only with a delay.
    package var jitterMicroseconds: Int64?
    /// Of packets, as are the following.
    package var lossPercent: Double?
    package var duplicatePercent: Double?
    package var corruptPercent: Double?
    /// Sent at once, without the delay; only with a delay.
    package var reorderPercent: Double?

    package init() {}

    package var isNone: Bool { self == WireImpairment() }

    /// Whether it takes netem, which many kernels do not have, to do it.
    package var wantsEmulation: Bool {
        var rest = self
        (rest.rateBitsPerSecond, rest.burstBytes) = (nil, nil)
        return !rest.isNone
    }

    /// The first value that makes no sense without another one.
    package var widow: (name: String, needs: String)? {
        if burstBytes != nil, rateBitsPerSecond == nil { return ("burstBytes", "rateBitsPerSecond") }
        if jitterMicroseconds != nil, delayMicroseconds == nil { return ("jitterMicroseconds", "delayMicroseconds") }
        if reorderPercent != nil, delayMicroseconds == nil { return ("reorderPercent", "delayMicroseconds") }
        return nil
    }

    /// Rates that are taken, in bits per second.
    package static let rates: ClosedRange<Int64> = 8...1_000_000_000_000
    /// Bursts that are taken, in bytes: a packet has to fit.
    package static let bursts: ClosedRange<Int64> = 1600...1_073_741_824
    /// Delays and jitters that are taken, in microseconds: up to a minute.
    package static let delays: ClosedRange<Int64> = 0...60_000_000

    /// Its whole numbers, by what requests and answers call them, with what each may be.
    package static let integers:
        [(name: String, path: any WritableKeyPath<WireImpairment, Int64?> & Sendable, range: ClosedRange<Int64>)] = [
            ("rateBitsPerSecond", \.rateBitsPerSecond, rates), ("burstBytes", \.burstBytes, bursts),
            ("delayMicroseconds", \.delayMicroseconds, delays), ("jitterMicroseconds", \.jitterMicroseconds, delays),
        ]

    /// Its percentages, from 0 to 100.
    package static let percentages: [(name: String, path: any WritableKeyPath<WireImpairment, Double?> & Sendable)] = [
        ("lossPercent", \.lossPercent), ("duplicatePercent", \.duplicatePercent),
        ("corruptPercent", \.corruptPercent), ("reorderPercent", \.reorderPercent),
    ]
}

extension JSONWriter {
    /// What is done to the traffic; only what is.
    package mutating func members(of impairment: WireImpairment) {
        for field in WireImpairment.integers {
            guard let value = impairment[keyPath: field.path] else { continue }
            key(named: field.name)
            self.value(value)
        }
        for field in WireImpairment.percentages {
            guard let value = impairment[keyPath: field.path] else { continue }
            key(named: field.name)
            self.value(value)
        }
    }
}
