import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("The crash driver", .tags(.endToEnd), .serialized, .timeLimit(.minutes(15)))
struct CrashDriverTests {
    private static let clients = 4

    /// What a run consisted of, for the log.
    private struct Summary {
        var kills = 0
        var acknowledged = 0
        var done = 0
        var undone = 0
        var retried = 0
    }

    @Test(
        "Whatever moment it is killed at, what was acknowledged is there, and the rest is wholly there or wholly gone")
    func kills() async throws {
        let environment = ProcessInfo.processInfo.environment
        let seed = environment["NETNSD_TEST_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64.max)
        let kills = environment["NETNSD_TEST_KILLS"].flatMap { Int($0) } ?? 100
        print("crash driver: NETNSD_TEST_SEED=\(seed) NETNSD_TEST_KILLS=\(kills)")
        let start = ContinuousClock.now
        let summary = try await withHome { home in
            do {
                return try await run(in: home, seed: seed, kills: kills)
            } catch {
                throw TestFailure("NETNSD_TEST_SEED=\(seed): \(error)\n\(home.logTail)")
            }
        }
        print("crash driver: \(summary) in \(ContinuousClock.now - start), seed \(seed)")
        #expect(summary.kills >= kills)
        #expect(summary.acknowledged > kills, "there was hardly any load, seed \(seed)")
        #expect(summary.done + summary.undone > 0, "nothing was ever in flight, seed \(seed)")
    }

    private func run(in home: DaemonHome, seed: UInt64, kills: Int) async throws -> Summary {
        var summary = Summary()
        var generator = SeededGenerator(seed: seed)
        var clients = (0..<Self.clients).map { CrashClient(number: $0, seed: seed) }
        var daemon = try await Daemon(home: home)
        do {
            let inode = try await plant(in: home)
            while summary.kills < kills {
                let round = "round of kill \(summary.kills + 1)"
                let delay = Duration.milliseconds(Int.random(in: 5...120, using: &generator))
                clients = try await load(daemon, clients, killingAfter: delay)
                summary.kills += 1
                if Int.random(in: 0..<8, using: &generator) == 0 {
                    let delay = Duration.milliseconds(Int.random(in: 1...150, using: &generator))
                    try await Daemon.killStarting(home: home, after: delay)
                    summary.kills += 1
                }
                daemon = try await Daemon(home: home)
                try await settle(&clients, daemon, &summary, round)
                guard try Self.inode(of: CrashObservation.externalName, in: home) == inode else {
                    throw TestFailure("\(round): the other's namespace is another one")
                }
            }
            try await daemon.kill()
        } catch {
            try? await daemon.kill()
            throw error
        }
        summary.acknowledged = clients.map(\.acknowledged).reduce(0, +)
        return summary
    }

    /// Makes what is not the daemon's; answers the inode of the namespace.
    private func plant(in home: DaemonHome) async throws -> UInt64 {
        try Data().write(to: URL(filePath: home.netnsDirectory + "/" + CrashObservation.staleName))
        try await home.addExternal(CrashObservation.externalName)
        return try Self.inode(of: CrashObservation.externalName, in: home)
    }

    private static func inode(of name: String, in home: DaemonHome) throws -> UInt64 {
        let attributes = try FileManager.default.attributesOfItem(atPath: home.netnsDirectory + "/" + name)
        guard let inode = attributes[.systemFileNumber] as? NSNumber else { throw TestFailure("\(name) has no inode") }
        return inode.uint64Value
    }

    /// Lets every client make requests on a connection of its own until the daemon is killed.
    private func load(
        _ daemon: Daemon, _ clients: [CrashClient], killingAfter delay: Duration
    ) async throws -> [CrashClient] {
        let endpoint = try daemon.endpoint()
        let connected = Counter()
        let tasks = clients.map { client in
            Task.detached {
                try await offload {
                    var client = client
                    client.run(endpoint) { connected.increment() }
                    return client
                }
            }
        }
        try await eventually(within: 30, "the connections") { connected.value == clients.count }
        try await Task.sleep(for: delay)
        try await daemon.kill()
        var after: [CrashClient] = []
        for task in tasks { after.append(try await task.value) }
        return after
    }

    /// Holds what is there now against what the clients know, retries what was in flight and has a key, and looks again.
    private func settle(
        _ clients: inout [CrashClient], _ daemon: Daemon, _ summary: inout Summary, _ round: String
    ) async throws {
        let (home, endpoint, before) = (daemon.home, try daemon.endpoint(), clients)
        let settled = try await offload {
            var (clients, failures, outcomes, retried) = (before, [String](), [Bool](), 0)
            let connection = try RawConnection(endpoint)
            for isRetried in [false, true] {
                let seen = try CrashObservation(home, connection)
                failures += seen.failures
                for index in clients.indices {
                    if let isDone = clients[index].compare(with: seen.namespaces) { outcomes.append(isDone) }
                }
                for (id, facts) in seen.namespaces where !clients.contains(where: { $0.present[id] != nil }) {
                    failures.append("nobody's: \(facts)")
                }
                guard !isRetried else { break }
                for index in clients.indices where try clients[index].retry(connection) { retried += 1 }
            }
            return (clients, failures, outcomes, retried)
        }
        clients = settled.0
        summary.done += settled.2.count { $0 }
        summary.undone += settled.2.count { !$0 }
        summary.retried += settled.3
        let failures = settled.1 + clients.flatMap(\.failures)
        guard failures.isEmpty else {
            let texts = failures.joined(separator: "\n")
            throw TestFailure("\(round):\n\(texts)\nin flight: \(before.map(\.inFlightText))")
        }
    }
}

/// A number that several threads count up.
private final class Counter: Sendable {
    private let count = Mutex(0)

    var value: Int { count.withLock { $0 } }
    func increment() { count.withLock { $0 += 1 } }
}
