import HTTPTypes
import LinuxKit
import MicroHTTP

/// An answer for the same client to get again when it asks the same.
///
/// What does not depend on the request's bytes, but may have changed since, is looked at each time.
final class StandingAnswer: RecurringAnswer {
    private let requestIDs: RequestIDs
    private let tally: DurationTally
    private let hold: (recent: RecentAnswers, hold: RecentAnswers.Hold)?

    /// nil where the next request may have to be answered otherwise: a token or a certificate may have been taken back by
    /// then, and an id of the client's own is that of each request which has it.
    ///
    /// - Parameters:
    ///   - tally: Where it is counted.
    ///   - hold: Until when it is what it is; nil for one that is always the same.
    init?(
        to request: Request, requestIDs: RequestIDs, tally: DurationTally, hold: (RecentAnswers, RecentAnswers.Hold)?
    ) {
        guard request.client.transport != .tls, request.headerFields[.authorization] == nil,
            request.headerFields[.requestID] == nil
        else { return nil }
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
