import HTTPTypes
import LinuxKit
import MicroHTTP

/// An answer for the same client to get again when it asks the same.
///
/// What does not depend on the request's bytes, but may have changed since, is looked at each time.
final class StandingAnswer: RecurringAnswer {
    private let requestIDs: RequestIDs
    private let tally: DurationTally
    /// The `Authorization` that was presented, and who was known by it; nil where it counts for nothing.
    private let credential: (field: String, principal: Principal)?
    private let access: AccessPolicy
    private let hold: (recent: RecentAnswers, hold: RecentAnswers.Hold)?

    /// nil where the next request may have to be answered otherwise: a certificate may have been taken back by then, and
    /// an id of the client's own is that of each request which has it.
    ///
    /// - Parameters:
    ///   - principal: Who asked; nil where it is open to everybody.
    ///   - access: What says whether a token is still good.
    ///   - tally: Where it is counted.
    ///   - hold: Until when it is what it is; nil for one that is always the same.
    init?(
        to request: Request, of principal: Principal?, under access: AccessPolicy, requestIDs: RequestIDs,
        tally: DurationTally, hold: (RecentAnswers, RecentAnswers.Hold)?
    ) {
        guard request.client.transport != .tls, request.headerFields[.requestID] == nil else { return nil }
        if let principal, request.client.transport != .unix, let field = request.headerFields[.authorization] {
            credential = (field, principal)
        } else {
            credential = nil
        }
        self.access = access
        self.requestIDs = requestIDs
        self.tally = tally
        self.hold = hold
    }

    func recur() -> String? {
        let start = SystemTime.monotonicNanoseconds
        // Why it is not the same any more is told by who answers it anew.
        if let credential, (try? access.principal(presenting: credential.field)) != credential.principal { return nil }
        if let hold, !hold.recent.has(hold.hold, at: start) { return nil }
        defer { tally.add(nanoseconds: SystemTime.monotonicNanoseconds - start) }
        return requestIDs.next()
    }
}
