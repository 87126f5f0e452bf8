import LinuxKit
import MicroHTTP

/// An answer to a request that anybody who may send it gets, for the same client to get again.
///
/// What does not depend on the request's bytes, but may have changed since, is looked at each time.
final class StandingAnswer: RecurringAnswer {
    private let requestIDs: RequestIDs
    private let tally: DurationTally
    private let hold: (recent: RecentAnswers, hold: RecentAnswers.Hold)?

    /// - Parameters:
    ///   - tally: Where it is counted.
    ///   - hold: Until when it is what it is; nil for one that is always the same.
    init(requestIDs: RequestIDs, tally: DurationTally, hold: (RecentAnswers, RecentAnswers.Hold)?) {
        self.requestIDs = requestIDs
        self.tally = tally
        self.hold = hold
    }

    func recur() -> String? {
        let start = SystemTime.monotonicNanoseconds
        if let hold, !hold.recent.has(hold.hold, at: start) { return nil }
        defer { tally.add(nanoseconds: SystemTime.monotonicNanoseconds - start) }
        return requestIDs.next()
    }
}
