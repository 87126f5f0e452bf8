import Foundation
import TestSupport
import Testing

/// NETNSD_MUTATION_SEED and NETNSD_MUTATION_COUNT (of requests) choose another run; NETNSD_MUTATION_INDEX makes the one
/// exchange alone that a failure names.
@Suite("Mutated requests", .tags(.endToEnd), .serialized, .timeLimit(.minutes(40)))
struct ByteMutationTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let seed = environment["NETNSD_MUTATION_SEED"].flatMap { UInt64($0) } ?? 20_261_124
    private static let count = environment["NETNSD_MUTATION_COUNT"].flatMap { Int($0) } ?? 2_000
    private static let only = environment["NETNSD_MUTATION_INDEX"].flatMap { Int($0) }
    private static let clients = 24
    /// How often what was made by accident is deleted, in exchanges of one client.
    private static let sweep = 200

    @Test("Requests with bytes changed are answered well or cut, and leave nothing behind")
    func mutated() async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            // Until all threads there will ever be are there.
            _ = try await run(first: 1_000_000_000, requests: 400, at: endpoint)
            let before = try await settled(daemon)
            if let only = Self.only {
                _ = try await offload { try Self.exchange(only, at: endpoint) }
            } else {
                let tally = try await run(first: 0, requests: Self.count, at: endpoint)
                print("mutated requests, seed \(Self.seed): \(tally)")
                #expect(tally.requests >= Self.count)
                // That the mutations do not all end at the first check.
                #expect(tally.statuses[201, default: 0] > tally.requests / 200)
                #expect(tally.statuses[422, default: 0] > tally.requests / 1000)
            }
            #expect(try await daemon.send("GET", "/healthz").status == 200)
            // What was asked for by clients that have hung up may still be on its way.
            try await Task.sleep(for: .seconds(1))
            try await offload { try Self.deleteAll(at: endpoint) }
            #expect(daemon.home.names.isEmpty)
            #expect(daemon.home.records.isEmpty)
            let after = try await daemon.resources(settlingTo: before, spareThreads: 2)
            #expect(!after.exceeds(before, spareThreads: 2), "\(before) before, \(after) after")
            #expect(!daemon.log.contains("Sanitizer"), "\(daemon.log.suffix(4000))")
            #expect(!daemon.log.contains(" error "), "\(daemon.log.suffix(4000))")
        }
    }

    private func settled(_ daemon: Daemon) async throws -> Resources {
        let endpoint = try daemon.endpoint()
        try await offload { try Self.deleteAll(at: endpoint) }
        try await Task.sleep(for: .seconds(1))
        return try await daemon.filledResources()
    }

    /// What came of many requests.
    private struct Tally: CustomStringConvertible {
        var requests = 0
        var statuses: [Int: Int] = [:]

        mutating func add(_ other: Tally) {
            requests += other.requests
            statuses.merge(other.statuses, uniquingKeysWith: +)
        }

        var description: String {
            let counts = statuses.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            return "\(requests) requests, answers \(counts.joined(separator: ", "))"
        }
    }

    private func run(first: Int, requests: Int, at endpoint: Endpoint) async throws -> Tally {
        try await withThrowingTaskGroup(of: Tally.self) { group in
            for client in 0..<Self.clients {
                group.addTask {
                    try await offload {
                        var tally = Tally()
                        var index = first + client
                        while tally.requests < (requests + Self.clients - 1) / Self.clients {
                            tally.add(try Self.exchange(index, at: endpoint))
                            index += Self.clients
                            if index / Self.clients % Self.sweep == 0 { try Self.deleteAll(at: endpoint) }
                        }
                        return tally
                    }
                }
            }
            var whole = Tally()
            for try await part in group { whole.add(part) }
            return whole
        }
    }

    /// Sends what belongs to an index, and looks at each answer.
    @discardableResult
    private static func exchange(_ index: Int, at endpoint: Endpoint) throws -> Tally {
        let (bytes, requests) = RequestMutator.exchange(seed: seed, index: index)
        do {
            let connection = try RawConnection(endpoint)
            // The daemon may have cut what it does not take, and not read to its end.
            try? connection.send(Data(bytes))
            let hasHead = Data(bytes).firstRange(of: Data("HEAD".utf8)) != nil
            let received = try connection.everything { received in
                // Of HEAD, an answer is whole with its body and without.
                guard let answers = try? Answers(parsing: received, mayLackBodies: hasHead) else { return false }
                return answers.endsInStream || (answers.responses.count >= requests && !hasHead)
            }
            let answers = try Answers(parsing: received, mayLackBodies: hasHead)
            var tally = Tally(requests: requests)
            for response in answers.responses {
                try check(response)
                tally.statuses[response.status, default: 0] += 1
            }
            return tally
        } catch {
            throw TestFailure(
                """
                \(error)
                Replay: NETNSD_MUTATION_SEED=\(seed) NETNSD_MUTATION_INDEX=\(index)
                Sent: \(String(decoding: bytes.prefix(4000), as: UTF8.self).debugDescription)
                """)
        }
    }

    private static func check(_ response: HTTPResponse) throws {
        let type = response.headers["content-type"]
        if Answers.isOfTheLibrary(response) { return }
        guard response.headers["server"]?.hasPrefix("netnsd/") == true, response.headers["x-request-id"] != nil else {
            throw TestFailure("not our answer: \(response.status) \(response.headers) \(response.text)")
        }
        if response.status >= 400, !response.body.isEmpty, response.problem == nil {
            throw TestFailure("no problem document: \(response.status) \(response.text)")
        }
        if type?.hasSuffix("json") == true, !response.body.isEmpty { _ = try response.json }
        if response.status >= 500, response.status != 503 || response.headers["retry-after"] == nil {
            throw TestFailure("\(response.status): \(response.text)")
        }
    }

    /// Deletes every namespace there is.
    private static func deleteAll(at endpoint: Endpoint) throws {
        let connection = try RawConnection(endpoint)
        while true {
            let list = try connection.exchange("GET", "/v1/namespaces?limit=1000").json["namespaces"]?.array ?? []
            for namespace in list {
                // The other clients delete, too.
                let path = "/v1/namespaces/\(namespace["name"]?.string ?? "")"
                let status = try connection.exchange("DELETE", path).status
                guard [204, 404, 409].contains(status) else { throw TestFailure("DELETE is answered with \(status)") }
            }
            if list.isEmpty { return }
        }
    }
}
