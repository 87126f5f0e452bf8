/// Room for namespaces that a principal is about to make.
///
/// The manager keeps account of it: what is reserved counts as made until it is made, and then is a record, in one step of
/// the actor's. So however many requests of a principal run at once, never more than the quota come of them, and room that
/// is there is not refused.
package final class Reservation: Sendable {
    let principal: String

    fileprivate init(principal: String) {
        self.principal = principal
    }
}

/// What is reserved and not made yet.
struct Reservations {
    /// By the reservation.
    private var left: [ObjectIdentifier: Int] = [:]
    private var perPrincipal = PrincipalCounts()

    func count(of principal: String) -> Int { perPrincipal[principal] }

    mutating func add(_ reservation: Reservation, _ count: Int) {
        left[ObjectIdentifier(reservation)] = count
        perPrincipal.add(count, for: reservation.principal)
    }

    /// One of the reservation's is made.
    mutating func spend(_ reservation: Reservation) {
        guard let count = left[ObjectIdentifier(reservation)], count > 0 else { return }
        left[ObjectIdentifier(reservation)] = count - 1
        perPrincipal.remove(1, for: reservation.principal)
    }

    /// Lets go of what is left; answers how much.
    mutating func remove(_ reservation: Reservation) -> Int {
        let count = left.removeValue(forKey: ObjectIdentifier(reservation)) ?? 0
        perPrincipal.remove(count, for: reservation.principal)
        return count
    }
}

extension NamespaceManager {
    /// Runs `body` with room for `count` namespaces within the principal's quota; nil, without running it, when there is
    /// none.
    ///
    /// - Parameters:
    ///   - quota: How many the principal may have.
    ///   - body: Given the manager, since to come and go for each step takes longer than the steps, and the room for what
    ///     is made, as ``Creation/reservation``.
    /// - Returns: What `body` returned, and how much of the room it did not need.
    package func withRoom<Value: Sendable, Failure: Error>(
        for count: Int, of principal: String, within quota: Int,
        _ body: @Sendable (isolated NamespaceManager, Reservation) async throws(Failure) -> Value
    ) async throws(Failure) -> (value: Value, unneeded: Int)? {
        guard let reservation = reserve(count, for: principal, within: quota) else { return nil }
        let value: Value
        do throws(Failure) {
            value = try await body(self, reservation)
        } catch {
            release(reservation)
            throw error
        }
        return (value, release(reservation))
    }

    /// Reserves room for `count` namespaces within the principal's quota; nil when there is none.
    func reserve(_ count: Int, for principal: String, within quota: Int) -> Reservation? {
        guard records.count(of: principal) + reservations.count(of: principal) + count <= quota else { return nil }
        let reservation = Reservation(principal: principal)
        reservations.add(reservation, count)
        return reservation
    }

    /// Gives back what was not needed; answers how much that is.
    @discardableResult
    func release(_ reservation: Reservation) -> Int { reservations.remove(reservation) }

    /// How many namespaces the principal has.
    package func namespaceCount(of principal: String) -> Int { records.count(of: principal) }
}
