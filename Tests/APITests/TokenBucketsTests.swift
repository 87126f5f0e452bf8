import TestSupport
import Testing

@testable import API

@Suite("Token buckets") struct TokenBucketsTests {
    private let start = ContinuousClock.now

    @Test("a principal has a burst at first, then as much as time brings, and no more than a burst again")
    func fills() {
        var buckets = TokenBuckets(perSecond: 10, burst: 5)
        for _ in 0..<5 { #expect(buckets.take(1, of: "a", at: start) == nil) }
        #expect(buckets.take(1, of: "a", at: start) == .milliseconds(100))
        #expect(buckets.take(1, of: "a", at: start + .milliseconds(50)) == .milliseconds(50))
        #expect(buckets.take(1, of: "a", at: start + .milliseconds(100)) == nil)
        #expect(buckets.take(1, of: "a", at: start + .milliseconds(100)) == .milliseconds(100))
        let later = start + .seconds(3600)
        #expect(buckets.take(5, of: "a", at: later) == nil)
        #expect(buckets.take(1, of: "a", at: later) == .milliseconds(100))
    }

    @Test("one principal's tokens are not another's") func principals() {
        var buckets = TokenBuckets(perSecond: 1, burst: 2)
        #expect(buckets.take(2, of: "a", at: start) == nil)
        #expect(buckets.take(1, of: "a", at: start) == .seconds(1))
        #expect(buckets.take(2, of: "b", at: start) == nil)
        #expect(buckets.count == 2)
    }

    @Test("being refused costs nothing") func refusal() {
        var buckets = TokenBuckets(perSecond: 1, burst: 4)
        #expect(buckets.take(3, of: "a", at: start) == nil)
        for _ in 0..<100 { #expect(buckets.take(2, of: "a", at: start) == .seconds(1)) }
        #expect(buckets.take(1, of: "a", at: start) == nil)
    }

    @Test("more than a burst at once is given to who has a whole one, and is then a debt") func debt() {
        var buckets = TokenBuckets(perSecond: 8, burst: 4)
        #expect(buckets.take(20, of: "a", at: start) == nil)
        #expect(buckets.take(1, of: "a", at: start) == .milliseconds(2125))
        #expect(buckets.take(20, of: "a", at: start + .seconds(2)) == .milliseconds(500))
        #expect(buckets.take(20, of: "a", at: start + .milliseconds(2500)) == nil)
    }

    @Test("what is given back can be taken at once, and fills no bucket beyond its brim") func givenBack() {
        var buckets = TokenBuckets(perSecond: 1, burst: 5)
        buckets.giveBack(3, to: "a")
        #expect(buckets.count == 0)
        #expect(buckets.take(5, of: "a", at: start) == nil)
        buckets.giveBack(2, to: "a")
        #expect(buckets.take(2, of: "a", at: start) == nil)
        #expect(buckets.take(1, of: "a", at: start) == .seconds(1))
        buckets.giveBack(1000, to: "a")
        #expect(buckets.take(5, of: "a", at: start) == nil)
        #expect(buckets.take(1, of: "a", at: start) == .seconds(1))
        // Out of debt in part.
        #expect(buckets.take(10, of: "b", at: start) == nil)
        buckets.giveBack(4, to: "b")
        #expect(buckets.take(1, of: "b", at: start) == .seconds(2))
    }

    @Test("a thread that took the time before another one fills nothing twice") func timesOutOfOrder() {
        var buckets = TokenBuckets(perSecond: 10, burst: 5)
        let later = start + .milliseconds(200)
        #expect(buckets.take(5, of: "a", at: start) == nil)
        #expect(buckets.take(1, of: "a", at: later) == nil)
        #expect(buckets.take(1, of: "a", at: start) == nil)
        #expect(buckets.take(1, of: "a", at: later) == .milliseconds(100))
        #expect(buckets.take(1, of: "a", at: start) == .milliseconds(100))
    }

    @Test(
        "whoever waits as many whole seconds as Retry-After says is let in, and got no more than the rate meanwhile",
        arguments: [(1, 1), (3, 7), (7, 3), (1000, 1), (4999, 10_000), (1_000_000, 1)])
    func rate(perSecond: Int, burst: Int) {
        var buckets = TokenBuckets(perSecond: perSecond, burst: burst)
        var (now, taken, generator) = (start, 0, SeededGenerator(seed: 1))
        for _ in 0..<1000 {
            let count = Int.random(in: 1...burst, using: &generator)
            if let wait = buckets.take(count, of: "a", at: now) {
                #expect(wait > .zero)
                now += .seconds(wait.components.seconds + (wait.components.attoseconds > 0 ? 1 : 0))
                #expect(buckets.take(count, of: "a", at: now) == nil)
            }
            taken += count
            now += .microseconds(Int.random(in: 0...1000, using: &generator))
            let allowed = Double(burst) + (now - start) / .seconds(1) * Double(perSecond)
            #expect(Double(taken) <= allowed * (1 + 1e-9))
        }
    }

    @Test("principals who have not come for a while are forgotten, and those with less than a burst are not")
    func sweeps() {
        var buckets = TokenBuckets(perSecond: 1, burst: 10)
        #expect(buckets.take(20, of: "in debt", at: start) == nil)
        for number in 0..<1023 { #expect(buckets.take(1, of: "\(number)", at: start) == nil) }
        #expect(buckets.count == 1024)
        #expect(buckets.take(5, of: "last", at: start + .seconds(5)) == nil)
        #expect(buckets.count == 2)
        #expect(buckets.take(1, of: "in debt", at: start + .seconds(5)) == .seconds(6))
        // Not again with every one that comes when nobody can be forgotten.
        for number in 0..<3000 { #expect(buckets.take(10, of: "\(number)", at: start + .seconds(6)) == nil) }
        #expect(buckets.count == 3002)
    }
}
