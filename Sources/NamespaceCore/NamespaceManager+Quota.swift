/// Room for namespaces that a principal is about to make.
///
/// The manager keeps account of it: what is reserved counts as made until it is made, and then is a record, in one step of
/// the actor's. So however many requests of a principal run at once, never more than the quota come of them, and room that
/// is there is not refused.
package final class Reservation: Sendable {
    let principal: String
    @TaskLocal static var current: Reservation?

    fileprivate init(principal: String) {
        self.principal = principal
    }

    /// Runs `body`; what the manager makes in its task takes the room.
    package func spending<Value: Sendable, Failure: Error>(
        _ body: () async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result = await Self.$current.withValue(self) { () async -> Result<Value, Failure> in
            do throws(Failure) {
                return .success(try await body())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}

/// What is reserved and not made yet.
struct Reservations {
    /// By the reservation.
    private var left: [ObjectIdentifier: Int] = [:]
    private var perPrincipal: [String: Int] = [:]

    func count(of principal: String) -> Int { perPrincipal[principal] ?? 0 }

    mutating func add(_ reservation: Reservation, _ count: Int) {
        left[ObjectIdentifier(reservation)] = count
        perPrincipal[reservation.principal, default: 0] += count
    }

    /// One of the reservation's is made.
    mutating func spend(_ reservation: Reservation) {
        guard let count = left[ObjectIdentifier(reservation)], count > 0 else { return }
        left[ObjectIdentifier(reservation)] = count - 1
        lower(reservation.principal, by: 1)
    }

    /// Lets go of what is left; answers how much.
    mutating func remove(_ reservation: Reservation) -> Int {
        let count = left.removeValue(forKey: ObjectIdentifier(reservation)) ?? 0
        lower(reservation.principal, by: count)
        return count
    }

    private mutating func lower(_ principal: String, by count: Int) {
        let rest = (perPrincipal[principal] ?? 0) - count
        perPrincipal[principal] = rest > 0 ? rest : nil
    }
}

extension NamespaceManager {
    /// Reserves room for `count` namespaces within the principal's quota; nil when there is none. Give it back by
    /// ``release(_:)``, whatever becomes of it.
    package func reserve(_ count: Int, for principal: String, within quota: Int) -> Reservation? {
        guard records.count(of: principal) + reservations.count(of: principal) + count <= quota else { return nil }
        let reservation = Reservation(principal: principal)
        reservations.add(reservation, count)
        return reservation
    }

    /// Gives back what was not needed; answers how much that is.
    @discardableResult
    package func release(_ reservation: Reservation) -> Int { reservations.remove(reservation) }

    /// How many namespaces the principal has.
    package func namespaceCount(of principal: String) -> Int { records.count(of: principal) }
}
