import Dispatch
import HTTPTypes
import LinuxKit
import Testing

@testable import API

@Suite("The tally of requests") struct RequestTallyTests {
    @Test("what many threads count at once is all counted, whoever is first") func concurrent() {
        let (threads, rounds) = (8, 200)
        for _ in 0..<20 {
            let tally = RequestTally(patterns: ["/a", "/b"])
            DispatchQueue.concurrentPerform(iterations: threads) { _ in
                for round in 0..<rounds {
                    tally.add(route: round % 2, method: .get, status: round % 4 < 2 ? 200 : 404, nanoseconds: 1)
                    tally.add(route: nil, method: .post, status: 599, nanoseconds: 1)
                }
            }
            let counts = tally.series.map { ("\($0.method) \($0.route) \($0.status)", $0.reading.total) }
            #expect(
                Dictionary(uniqueKeysWithValues: counts) == [
                    "GET /a 200": 400, "GET /a 404": 400, "GET /b 200": 400, "GET /b 404": 400,
                    "POST unmatched other": 1600,
                ])
        }
    }
}
