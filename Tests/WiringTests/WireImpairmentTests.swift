import Testing

@testable import Wiring

@Suite("Impairments")
struct WireImpairmentTests {
    @Test("Nothing is no impairment, and any value is one")
    func none() {
        #expect(WireImpairment().isNone)
        for field in WireImpairment.integers {
            var impairment = WireImpairment()
            impairment[keyPath: field.path] = field.range.lowerBound
            #expect(!impairment.isNone, "\(field.name)")
        }
        for field in WireImpairment.percentages {
            var impairment = WireImpairment()
            impairment[keyPath: field.path] = 0
            #expect(!impairment.isNone, "\(field.name)")
        }
    }

    @Test("Every value has a name of its own")
    func names() {
        let names = WireImpairment.integers.map(\.name) + WireImpairment.percentages.map(\.name)
        #expect(Set(names).count == 8)
        #expect(names.count == 8)
    }

    @Test("All but a rate and its burst takes netem")
    func emulation() {
        var rate = WireImpairment()
        rate.rateBitsPerSecond = 1000
        rate.burstBytes = 2000
        #expect(!rate.wantsEmulation)
        for field in WireImpairment.integers where !["rateBitsPerSecond", "burstBytes"].contains(field.name) {
            var impairment = rate
            impairment[keyPath: field.path] = 1
            #expect(impairment.wantsEmulation, "\(field.name)")
        }
        for field in WireImpairment.percentages {
            var impairment = rate
            impairment[keyPath: field.path] = 1
            #expect(impairment.wantsEmulation, "\(field.name)")
        }
    }

    @Test("A burst makes no sense without a rate, jitter and reordering none without a delay")
    func widows() {
        var impairment = WireImpairment()
        #expect(impairment.widow == nil)
        impairment.burstBytes = 2000
        #expect(impairment.widow?.name == "burstBytes")
        #expect(impairment.widow?.needs == "rateBitsPerSecond")
        impairment.rateBitsPerSecond = 1000
        #expect(impairment.widow == nil)
        impairment.jitterMicroseconds = 1
        #expect(impairment.widow?.name == "jitterMicroseconds")
        impairment.delayMicroseconds = 1
        #expect(impairment.widow == nil)
        impairment.reorderPercent = 1
        #expect(impairment.widow == nil)
        (impairment.delayMicroseconds, impairment.jitterMicroseconds) = (nil, nil)
        #expect(impairment.widow?.name == "reorderPercent")
        #expect(impairment.widow?.needs == "delayMicroseconds")
    }
}
