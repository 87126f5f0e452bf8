import Foundation

/// One client of the crash driver, with names of its own, and what it has been told.
package struct CrashClient: Sendable {
    /// More than that is not created, only deleted.
    private static let most = 24

    private let number: Int
    private var generator: SeededGenerator
    private var count = 0
    /// What must be there, by id.
    package private(set) var present: [String: CrashFacts] = [:]
    /// What was asked for when the daemon died.
    private(set) var inFlight: CrashRequest?
    package private(set) var acknowledged = 0
    package private(set) var failures: [String] = []

    package init(number: Int, seed: UInt64) {
        self.number = number
        generator = SeededGenerator(seed: seed, stream: UInt64(number) + 1)
    }

    /// Makes one request after the other until the daemon is gone. Blocks.
    ///
    /// - Parameter ready: Called once the connection is there.
    package mutating func run(_ endpoint: Endpoint, ready: () -> Void) {
        let connection = try? RawConnection(endpoint)
        ready()
        guard let connection else {
            failures.append("client \(number) cannot connect")
            return
        }
        while failures.isEmpty {
            let request = next()
            inFlight = request
            let response: HTTPResponse
            do {
                response = try connection.exchange(
                    request.method, request.path, body: request.body, headers: request.headers)
            } catch {
                return
            }
            acknowledge(response)
        }
    }

    private mutating func acknowledge(_ response: HTTPResponse) {
        guard let request = inFlight else { return }
        do {
            let after = try request.outcome(response)
            for id in request.parts.flatMap(\.ids) { present[id] = after[id] }
            inFlight = nil
            acknowledged += 1
        } catch {
            failures.append("\(error)")
        }
    }
}

// MARK: - After the restart

extension CrashClient {
    /// Holds what is there, by id, against what was acknowledged, and finds out what became of the request in flight.
    ///
    /// - Returns: Whether that was done, in part or wholly; nil without one.
    @discardableResult
    package mutating func compare(with seen: [String: CrashFacts]) -> Bool? {
        let parts = inFlight?.parts ?? []
        var isDone: Bool?
        for part in parts {
            let ids = part.ids
            if let after = Self.settled(part.after, ids, seen) {
                for id in ids { present[id] = after[id] }
                isDone = true
            } else if let before = Self.settled(part.before, ids, seen) {
                for id in ids { present[id] = before[id] }
                isDone = isDone ?? false
            } else {
                let there = ids.sorted().map { "\($0): \(seen[$0].map(\.description) ?? "absent")" }
                failures.append("neither done nor undone: \(inFlight.map(\.description) ?? ""), but \(there)")
            }
        }
        let open = Set(parts.flatMap(\.ids))
        for (id, facts) in present where !open.contains(id) && !facts.matches(seen[id]) {
            failures.append("acknowledged: \(facts), but there is: \(seen[id].map(\.description) ?? "nothing")")
        }
        return isDone
    }

    /// What is seen, where it is what is expected.
    private static func settled(
        _ expected: [String: CrashFacts], _ ids: Set<String>, _ seen: [String: CrashFacts]
    ) -> [String: CrashFacts]? {
        let isSo = ids.allSatisfy { id in expected[id].map { $0.matches(seen[id]) } ?? (seen[id] == nil) }
        return isSo ? seen.filter { ids.contains($0.key) } : nil
    }

    /// Makes the request that was in flight again where it has a key, twice; forgets it where it has none. Blocks.
    ///
    /// - Returns: Whether there was one to make again.
    package mutating func retry(_ connection: RawConnection) throws -> Bool {
        guard let request = inFlight else { return false }
        guard request.key != nil else {
            inFlight = nil
            return false
        }
        let first = try connection.exchange(
            request.method, request.path, body: request.body, headers: request.headers)
        acknowledge(first)
        let second = try connection.exchange(
            request.method, request.path, body: request.body, headers: request.headers)
        let isReplayed = second.headers["idempotent-replayed"] == "true"
        if second.status != first.status || second.body != first.body || !isReplayed {
            failures.append("another answer to the second retry of \(request): \(second.status) \(second.text)")
        }
        return true
    }

    /// What was asked for when the daemon died, for a report.
    package var inFlightText: String { "client \(number): \(inFlight.map(\.description) ?? "nothing")" }
}

// MARK: - Requests

extension CrashClient {
    private mutating func next() -> CrashRequest {
        let chance = Int.random(in: 0..<100, using: &generator)
        let isCrowded = present.count >= Self.most
        switch chance {
        case ..<25 where !isCrowded: return create()
        case ..<40 where !isCrowded: return batch(isAtomic: chance % 2 == 0)
        case ..<60:
            if let facts = pick() { return patch(facts) }
        default:
            if let facts = pick() { return delete(facts) }
        }
        return create()
    }

    private mutating func pick() -> CrashFacts? {
        present.sorted { $0.key < $1.key }.map(\.value).randomElement(using: &generator)
    }

    private mutating func newID() -> String {
        count += 1
        return "c\(number)-\(count)"
    }

    private mutating func newKey() -> String? { Bool.random(using: &generator) ? "key-\(newID())" : nil }

    /// A name that has been used before, if the namespace is gone again: its record must not come back.
    private mutating func newFacts(isNamed: Bool, besides taken: Set<String> = []) -> CrashFacts {
        let used = taken.union(present.values.compactMap(\.name))
        let name = (0...).lazy.map { [number] in "c\(number)-n\($0)" }.first { !used.contains($0) }
        let labels = [CrashFacts.idLabel: newID(), "value": String(Int.random(in: 0..<1000, using: &generator))]
        return CrashFacts(
            name: isNamed ? name : nil, labels: labels,
            leaseSeconds: Int.random(in: 0..<3, using: &generator) == 0 ? 3600 : nil)
    }

    private func json(_ facts: CrashFacts, isNamed: Bool = true) -> JSONValue {
        var members: [String: JSONValue] = ["labels": .object(facts.labels.mapValues { .string($0) })]
        if isNamed { members["name"] = facts.name.map { .string($0) } }
        if isNamed, facts.name == nil { members["namePrefix"] = .string("c\(number)-g") }
        if let seconds = facts.leaseSeconds { members["leaseSeconds"] = .int(seconds) }
        return .object(members)
    }

    private func part(creating facts: [CrashFacts]) -> CrashRequest.Part {
        CrashRequest.Part(
            after: Dictionary(uniqueKeysWithValues: facts.map { ($0.labels[CrashFacts.idLabel] ?? "", $0) }))
    }

    private mutating func create() -> CrashRequest {
        let facts = newFacts(isNamed: Int.random(in: 0..<3, using: &generator) > 0)
        let part = part(creating: [facts])
        if let name = facts.name, Int.random(in: 0..<4, using: &generator) == 0 {
            return CrashRequest(
                method: "PUT", path: "/v1/namespaces/\(name)", body: json(facts, isNamed: false).text, parts: [part],
                status: 201)
        }
        return CrashRequest(
            method: "POST", path: "/v1/namespaces", body: json(facts).text, key: newKey(), parts: [part], status: 201)
    }

    /// Some of the batches have an item whose name is taken.
    private mutating func batch(isAtomic: Bool) -> CrashRequest {
        var items: [CrashFacts] = []
        for _ in 0..<Int.random(in: 2...6, using: &generator) {
            let isNamed = Bool.random(using: &generator)
            items.append(newFacts(isNamed: isNamed, besides: Set(items.compactMap(\.name))))
        }
        var bodies = items.map { json($0) }
        var statuses = items.map { _ in 201 }
        if Int.random(in: 0..<4, using: &generator) == 0, let taken = pick() {
            let place = Int.random(in: 0...items.count, using: &generator)
            bodies.insert(json(taken), at: place)
            statuses.insert(409, at: place)
        }
        let body = JSONValue.object(["items": .array(bodies), "atomic": .bool(isAtomic)]).text
        var request = CrashRequest(
            method: "POST", path: "/v1/namespaces:batch", body: body, key: newKey(), parts: [], status: 200)
        if isAtomic, statuses.contains(409) {
            // Nothing of it may ever be seen: an id that nobody expects is a failure.
            request.status = 409
            return request
        }
        request.itemStatuses = statuses
        request.parts = isAtomic ? [part(creating: items)] : items.map { part(creating: [$0]) }
        return request
    }

    private mutating func patch(_ old: CrashFacts) -> CrashRequest {
        var new = old
        var members: [String: JSONValue] = [:]
        let isLease = Int.random(in: 0..<4, using: &generator) == 0
        if isLease {
            new.leaseSeconds = old.leaseSeconds == nil ? 3600 : nil
            members["lease"] = new.leaseSeconds.map { ["seconds": .int($0)] } ?? .null
        } else {
            let (value, label) = (newID(), "extra\(Int.random(in: 0..<3, using: &generator))")
            new.labels["value"] = value
            new.labels[label] = old.labels[label] == nil ? value : nil
            members["labels"] = ["value": .string(value), label: new.labels[label].map { .string($0) } ?? .null]
        }
        return change(old, to: new, "PATCH", body: JSONValue.object(members).text, status: 200)
    }

    private func delete(_ old: CrashFacts) -> CrashRequest { change(old, to: nil, "DELETE", status: 204) }

    private func change(
        _ old: CrashFacts, to new: CrashFacts?, _ method: String, body: String = "", status: Int
    ) -> CrashRequest {
        let id = old.labels[CrashFacts.idLabel] ?? ""
        let part = CrashRequest.Part(before: [id: old], after: new.map { [id: $0] } ?? [:])
        return CrashRequest(
            method: method, path: "/v1/namespaces/\(old.name ?? "")", body: body, parts: [part], status: status)
    }
}

extension JSONValue {
    /// As a request's body.
    fileprivate var text: String { (try? encoded()).map { String(decoding: $0, as: UTF8.self) } ?? "" }
}
