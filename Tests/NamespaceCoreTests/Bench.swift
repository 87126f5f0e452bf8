import Foundation
import LinuxKit
import Logging
import Synchronization
import SystemPackage
import Testing

@testable import NamespaceCore

/// A manager over a fake kernel and real records in a directory of the test's own.
final class Bench {
    let kernel = FakeKernel()
    let clock = ManualClock()
    let directory = FilePath("/tmp/netnsd-core-\(UUID().uuidString)")
    let store: RecordStore

    init() throws { store = try RecordStore(directory: directory) }

    deinit { try? FileManager.default.removeItem(atPath: directory.string) }

    func manager(bootID: String = "boot") throws -> NamespaceManager {
        NamespaceManager(
            kernel: kernel, store: store, journal: try BatchJournal(directory: directory),
            answers: try AnswerStore(directory: directory, kernel: kernel, bootID: bootID, clock: clock),
            dns: DNSFiles(directory: directory.appending("etc"), namespaces: kernel.directory), bootID: bootID,
            clock: clock, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    /// Where the records are.
    var recordFile: FilePath { directory.appending("namespaces.jsonl") }

    /// The names in the records, sorted; a line that is none is there as it is.
    func recordedNames() throws -> [String] {
        let text = try String(contentsOfFile: recordFile.string, encoding: .utf8)
        let lines = text.split(separator: "\n").filter { $0.contains { $0 != " " } }
        return lines.map { NamespaceRecord.parse(Array($0.utf8))?.name.description ?? String($0) }.sorted()
    }
}

/// A clock that stands still until it is moved.
final class ManualClock: NamespaceClock {
    private struct State {
        var wall = Timestamp(milliseconds: 1_800_000_000_000)
        var uptime = Duration.seconds(1000)
        var sleepers: [UUID: (deadline: Duration, continuation: CheckedContinuation<Void, any Error>)] = [:]
    }

    private let state = Mutex(State())

    var now: Timestamp { state.withLock { $0.wall } }
    var uptime: Duration { state.withLock { $0.uptime } }

    /// Time passes, on both clocks.
    func advance(by seconds: Int64) {
        let woken = state.withLock { state in
            state.wall = Timestamp(milliseconds: state.wall.milliseconds + seconds * 1000)
            state.uptime += .seconds(seconds)
            let due = state.sleepers.filter { $0.value.deadline <= state.uptime }
            for key in due.keys { state.sleepers[key] = nil }
            return due.values.map(\.continuation)
        }
        for continuation in woken { continuation.resume() }
    }

    /// The wall clock is set, or the host was suspended: no uptime passes.
    func setWallClock(forward seconds: Int64) {
        state.withLock { $0.wall = Timestamp(milliseconds: $0.wall.milliseconds + seconds * 1000) }
    }

    func sleep(until deadline: Duration) async throws {
        let key = UUID()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isDue = state.withLock { state in
                    if deadline <= state.uptime || Task.isCancelled { return true }
                    state.sleepers[key] = (deadline, continuation)
                    return false
                }
                if isDue { continuation.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { $0.sleepers.removeValue(forKey: key) }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
        try Task.checkCancellation()
    }
}

func name(_ text: String) throws -> NamespaceName { try #require(NamespaceName(bytes: Array(text.utf8))) }

/// A namespace with that number for all its identities.
func namespaceEntry(_ number: UInt64) -> NamespaceDirectory.Entry {
    .namespace(
        NamespaceStatus(
            identity: NamespaceIdentity(device: 4, inode: number, cookie: number), isLoopbackUp: true, mountID: number))
}

/// The error's code, or nil when nothing was thrown.
func code(_ body: () async throws -> Void) async -> NamespaceError.Code? {
    do {
        try await body()
        return nil
    } catch let error as NamespaceError {
        return error.code
    } catch {
        Issue.record(error)
        return nil
    }
}

extension NamespaceManager {
    func create(_ name: NamespaceName, loopback: Loopback = .up) async throws(NamespaceError) -> Namespace {
        try await create(Creation(.exactly(name), .new(loopback)))
    }

    func ensure(
        _ name: NamespaceName, loopback: Loopback
    ) async throws(NamespaceError) -> (namespace: Namespace, isNew: Bool) {
        try await ensure(name, Creation(.exactly(name), .new(loopback)))
    }

    /// Waits until the namespace is gone; false says that it is still there after a second.
    nonisolated func isSoonGone(_ name: NamespaceName) async -> Bool {
        for _ in 0..<200 {
            if await code({ _ = try await self.namespace(name) }) == .notFound { return true }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    /// The kinds and names of all that has happened.
    nonisolated func history(after revision: Revision) -> [String] {
        guard case .events(let events) = events.read(after: revision, limit: 1000) else { return ["gone"] }
        return events.map { "\($0.kind.rawValue) \($0.name)" }
    }

    /// Waits until that many things have happened, two seconds at most; answers what.
    nonisolated func nextEvents(_ count: Int, after revision: Revision) async -> [String] {
        for _ in 0..<400 where history(after: revision).count < count {
            try? await Task.sleep(for: .milliseconds(5))
        }
        return history(after: revision)
    }
}
