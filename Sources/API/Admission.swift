import HTTPTypes
import MicroHTTP
import NamespaceCore
import Synchronization

/// What a client may ask for at all.
package struct AdmissionLimits: Sendable {
    /// The longest request body, and that of a batch, in bytes.
    package var (bodyBytes, batchBytes) = (64 * 1024, 1024 * 1024)
    /// The longest body that anybody may send anywhere, in bytes.
    var longestBody: Int { max(bodyBytes, batchBytes) }
    /// How deeply values in a body may be nested.
    package var jsonDepth = 32
    /// Requests that change something, at once; 0 for no limit. More get 503.
    package var mutations = 512
    /// Namespaces that a principal makes a second, on average; 0 for no limit. More get 429.
    package var creationsPerSecond = 5000
    /// How many a principal makes at once, after not making any for a while.
    package var creationBurst = 10_000
    /// Namespaces that a principal has; 0 for no limit. More get 429.
    package var namespacesPerPrincipal = 20_000
    /// Wires that a principal has; 0 for no limit. More get 429.
    package var wiresPerPrincipal = 20_000

    /// The defaults.
    package init() {}
}

/// Lets requests in, or not: for each that changes something an atomic addition, for each that creates a short lock.
final class Admission: Sendable {
    /// After how many seconds to ask whether there is room within a quota.
    static let quotaDelay = 10

    let limits: AdmissionLimits
    private let mutations = Atomic<Int>(0)
    private let buckets: Mutex<TokenBuckets>

    init(_ limits: AdmissionLimits) {
        self.limits = limits
        buckets = Mutex(TokenBuckets(perSecond: limits.creationsPerSecond, burst: limits.creationBurst))
    }

    /// Answers a request, of those that change something so many at once.
    func admitting(
        _ call: Call, _ answer: () async throws(Problem) -> Response
    ) async throws(Problem) -> Response {
        guard limits.mutations > 0, [.post, .put, .patch, .delete].contains(call.request.method) else {
            return try await answer()
        }
        let count = mutations.add(1, ordering: .relaxed).newValue
        defer { mutations.subtract(1, ordering: .relaxed) }
        guard count <= limits.mutations else {
            throw Problem(.overloaded, "Too many changes are being made at this moment; ask again in a second.")
        }
        return try await answer()
    }

    /// Takes `count` tokens of the principal's, or throws.
    fileprivate func charge(_ count: Int, to principal: String) throws(Problem) {
        guard limits.creationsPerSecond > 0, count > 0 else { return }
        let wait = buckets.withLock { $0.take(count, of: principal, at: .now) }
        guard let wait else { return }
        var problem = Problem(
            .rateLimited,
            "You create faster than \(limits.creationsPerSecond) namespaces a second; wait, then ask again.")
        problem.retryAfter = max(1, Int(wait.components.seconds) + (wait.components.attoseconds > 0 ? 1 : 0))
        throw problem
    }

    fileprivate func refund(_ count: Int, to principal: String) {
        guard limits.creationsPerSecond > 0, count > 0 else { return }
        buckets.withLock { $0.giveBack(count, to: principal) }
    }
}

extension Call {
    /// Makes `count` namespaces, if the principal may make as many now and have as many.
    ///
    /// What a `PUT` need not make costs nothing.
    ///
    /// - Parameter make: Given the room for what it makes.
    func creating<Made: Sendable>(
        _ count: Int, within manager: NamespaceManager,
        _ make: @Sendable (isolated NamespaceManager, Reservation) async throws(Problem) -> Made
    ) async throws(Problem) -> Made {
        let (principal, quota) = (principal.name, admission.limits.namespacesPerPrincipal)
        let made = try await manager.withRoom(for: count, of: principal, within: quota > 0 ? quota : .max) {
            [admission] (manager, reservation) async throws(Problem) in
            try admission.charge(count, to: principal)
            return try await make(manager, reservation)
        }
        guard let made else {
            var problem = Problem(
                .quotaReached, "You may have \(quota) namespaces, and this would be more; delete some first.")
            problem.retryAfter = Admission.quotaDelay
            throw problem
        }
        if request.method == .put { admission.refund(made.unneeded, to: principal) }
        return made.value
    }
}

/// A bucket of tokens for each principal, which fills with time.
struct TokenBuckets {
    private struct Bucket {
        var tokens: Double
        var filledAt: ContinuousClock.Instant
    }

    /// How many buckets there are before full ones, which are as good as none, are looked for.
    private static let sweepSize = 1024

    private let perSecond: Double
    private let burst: Double
    private var buckets: [String: Bucket] = [:]
    private var nextSweep = sweepSize

    init(perSecond: Int, burst: Int) {
        self.perSecond = Double(perSecond)
        self.burst = Double(burst)
    }

    /// How many principals there is account of.
    var count: Int { buckets.count }

    /// Takes tokens, or tells how long it takes until there are as many.
    mutating func take(_ count: Int, of principal: String, at now: ContinuousClock.Instant) -> Duration? {
        var bucket = filled(buckets[principal], at: now)
        // More than a bucket holds is there when it is full; it is then in debt.
        let needed = min(Double(count), burst)
        guard bucket.tokens >= needed else { return .seconds((needed - bucket.tokens) / perSecond) }
        bucket.tokens -= Double(count)
        buckets[principal] = bucket
        if buckets.count > nextSweep { sweep(at: now) }
        return nil
    }

    mutating func giveBack(_ count: Int, to principal: String) {
        guard let bucket = buckets[principal] else { return }
        buckets[principal]?.tokens = min(burst, bucket.tokens + Double(count))
    }

    private func filled(_ bucket: Bucket?, at now: ContinuousClock.Instant) -> Bucket {
        guard let bucket else { return Bucket(tokens: burst, filledAt: now) }
        let seconds = bucket.filledAt.duration(to: now) / .seconds(1)
        return Bucket(
            tokens: min(burst, bucket.tokens + max(0, seconds) * perSecond), filledAt: max(now, bucket.filledAt))
    }

    private mutating func sweep(at now: ContinuousClock.Instant) {
        buckets = buckets.filter { filled($0.value, at: now).tokens < burst }
        nextSweep = max(Self.sweepSize, 2 * buckets.count)
    }
}
