/// SplitMix64: random numbers that a seed gives again.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    /// A generator whose numbers have nothing to do with those of the others of the same seed.
    package init(seed: UInt64, stream: UInt64) {
        var root = SeededGenerator(seed: seed)
        state = root.next() ^ (stream &* 0xd1b5_4a32_d192_ed03)
        state = next()
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
