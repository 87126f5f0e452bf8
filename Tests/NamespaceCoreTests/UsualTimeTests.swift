import Testing

@testable import NamespaceCore

@Suite("How long something usually takes") struct UsualTimeTests {
    @Test("nothing is known before the first time") func unknown() {
        #expect(UsualTime().value == nil)
    }

    @Test("what is quicker counts at once, what is slower by an eighth") func learning() {
        let time = UsualTime()
        time.learn(nanoseconds: 300_000)
        #expect(time.value == .microseconds(300))
        time.learn(nanoseconds: 260_000)
        #expect(time.value == .microseconds(260))
        time.learn(nanoseconds: 340_000)
        #expect(time.value == .microseconds(270))
    }

    @Test("one that was interrupted counts for little, and what has become usual is learnt") func outliers() {
        let time = UsualTime()
        time.learn(nanoseconds: 200_000)
        time.learn(nanoseconds: 9_000_000_000)
        #expect(time.value == .microseconds(225))
        for _ in 0..<40 { time.learn(nanoseconds: 400_000) }
        let value = time.value ?? .zero
        #expect(value > .microseconds(390) && value <= .microseconds(400))
    }
}
