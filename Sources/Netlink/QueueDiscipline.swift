/// A queueing discipline of a link, as RTM_GETQDISC shows it.
package struct QueueDiscipline: Sendable, Equatable {
    package var link: LinkIndex
    /// Such as `tbf`.
    package var kind: String
    /// Major number in the upper 16 bits, as `8001:` is written; 0 for one that nobody asked for.
    package var handle: UInt32
    /// `TC_H_ROOT` (0xffffffff), or the class of another one that it is in.
    package var parent: UInt32
    /// Of a `tbf`.
    package var tokenBucket: TokenBucket?
    /// Of a `netem`.
    package var emulation: NetworkEmulation?

    package var isRoot: Bool { parent == .max }
}

/// A rate limit: tc-tbf(8).
package struct TokenBucket: Sendable, Equatable {
    /// In bytes per second.
    package var bytesPerSecond: UInt64
    /// How many bytes may be sent at once, at least a packet's.
    package var burstBytes: UInt32
    /// How many bytes may wait; more are dropped.
    package var limitBytes: UInt32

    package init(bytesPerSecond: UInt64, burstBytes: UInt32, limitBytes: UInt32) {
        self.bytesPerSecond = bytesPerSecond
        self.burstBytes = burstBytes
        self.limitBytes = limitBytes
    }

    /// With a queue that takes at most `latencyMicroseconds` to be sent, besides the burst.
    package init(bytesPerSecond: UInt64, burstBytes: UInt32, latencyMicroseconds: UInt64) {
        let (product, overflows) = bytesPerSecond.multipliedReportingOverflow(by: latencyMicroseconds)
        let waiting = overflows ? UInt64(UInt32.max) : product / 1_000_000
        self.init(
            bytesPerSecond: bytesPerSecond, burstBytes: burstBytes,
            limitBytes: UInt32(clamping: min(waiting, UInt64(UInt32.max)) + UInt64(burstBytes)))
    }
}

/// A worse network than there is: tc-netem(8). Shares are of 0 to 1.
package struct NetworkEmulation: Sendable, Equatable {
    package var delayMicroseconds: UInt64
    /// How much the delay varies.
    package var jitterMicroseconds: UInt64
    package var loss: Double
    package var duplicate: Double
    package var corrupt: Double
    /// How many packets overtake those that are delayed; takes a delay.
    package var reorder: Double
    /// How many packets may wait; more are dropped.
    package var limitPackets: UInt32

    package init(
        delayMicroseconds: UInt64 = 0, jitterMicroseconds: UInt64 = 0, loss: Double = 0, duplicate: Double = 0,
        corrupt: Double = 0, reorder: Double = 0, limitPackets: UInt32 = 1000
    ) {
        self.delayMicroseconds = delayMicroseconds
        self.jitterMicroseconds = jitterMicroseconds
        self.loss = loss
        self.duplicate = duplicate
        self.corrupt = corrupt
        self.reorder = reorder
        self.limitPackets = limitPackets
    }
}

/// What is done to the packets that leave a link: emulation, a rate limit, or both one after the other.
package struct Impairment: Sendable, Equatable {
    package var rate: TokenBucket?
    package var emulation: NetworkEmulation?

    package init(rate: TokenBucket? = nil, emulation: NetworkEmulation? = nil) {
        self.rate = rate
        self.emulation = emulation
    }
}
