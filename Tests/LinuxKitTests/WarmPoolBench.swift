import Foundation
import Synchronization
import SystemPackage

@testable import LinuxKit

/// A pool, the workers that fill it, and a directory for what is taken from it.
final class WarmPoolBench: Sendable {
    let scratch: Scratch
    let pool: WarmPool
    let workers: KernelWorkers
    private let mountID: UInt64
    private let heldBefore: Set<UInt64>

    fileprivate init(_ makePool: () throws -> WarmPool) throws {
        scratch = try Scratch()
        heldBefore = try Self.openNamespaces()
        pool = try makePool()
        mountID = try scratch.directory.prepare()
        workers = try KernelWorkers(count: 2, preparation: pool)
    }

    func create(_ name: String, up: Bool, warm: Bool = true) async throws(SystemError) -> NamespaceStatus {
        let (namespaces, mountID, pool) = (scratch.namespaces, mountID, warm ? pool : nil)
        return try await workers.run { (thread) throws(SystemError) in
            try namespaces.create(
                Array(name.utf8), raisingLoopback: up, mountID: mountID, from: pool, on: &thread,
                announce: { (_) throws(SystemError) in }, withdraw: {})
        }
    }

    func inspect(_ name: String) async throws(SystemError) -> NamespaceDirectory.Entry {
        let namespaces = scratch.namespaces
        return try await workers.run { (thread) throws(SystemError) in
            try namespaces.inspect(Array(name.utf8), on: &thread)
        }
    }

    /// Waits until the pool is full of that kind, which it turns to when it has been asked for it often enough.
    func fill(up: Bool) async throws {
        for round in 0..<400 {
            let facts = pool.facts
            if facts.size == facts.capacity, pool.isAllOfKind(up: up) { return }
            if round % 40 == 39 {
                _ = try await create("fill", up: up)
                _ = try scratch.namespaces.remove(Array("fill".utf8))
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw SystemError(.unshare, errno: .timedOut)
    }

    /// Waits until the pool is to hold so many, and does.
    func settle(at count: Int) async throws {
        for _ in 0..<400 {
            let facts = pool.facts
            // What is dropped is closed a moment later.
            if facts.capacity == count, facts.size == count, try heldNamespaces().count == count { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw SystemError(.unshare, errno: .timedOut)
    }

    /// Every file below `/proc/sys/net` inside a namespace, and what it says.
    func settings(of name: String) async throws -> [String: String] {
        let text = try run("find /proc/sys/net -type f -exec grep -s -H '' {} +", in: name)
        return text.split(separator: "\n").reduce(into: [:]) { values, line in
            let parts = line.split(separator: ":", maxSplits: 1)
            values[String(parts[0]), default: ""] += parts.count > 1 ? parts[1] + "\n" : ""
        }
    }

    /// What a command of the shell prints inside.
    func run(_ command: String, in name: String) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/nsenter")
        process.arguments = ["--net=\(scratch.directory.path)/\(name)", "sh", "-c", command + " 2>&1 | grep -v '^#'"]
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    /// The network namespaces, by inode, that this process has come to hold a descriptor of.
    func heldNamespaces() throws -> Set<UInt64> { try Self.openNamespaces().subtracting(heldBefore) }

    private static func openNamespaces() throws -> Set<UInt64> {
        let own = try Node.at("/proc/self/ns/net")
        let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        let inodes = descriptors.compactMap { number -> UInt64? in
            let path = FilePath("/proc/self/fd/\(number)")
            guard let node = try? Node.at(path), node.device == own.device, (try? Node.isNamespace(path)) == true else {
                return nil
            }
            return node.inode
        }
        return Set(inodes).subtracting([own.inode])
    }
}

/// Runs `body` with a pool of its own, and leaves nothing behind.
func withPool(
    _ makePool: () throws -> WarmPool = { try WarmPool(capacity: 2) }, _ body: (WarmPoolBench) async throws -> Void
) async throws {
    let bench = try WarmPoolBench(makePool)
    var failure: (any Error)?
    do { try await body(bench) } catch { failure = error }
    await bench.workers.stop()
    bench.pool.close()
    bench.scratch.cleanUp()
    if let failure { throw failure }
}

/// Begins when it is called for, or after a while, and takes until it is told that it is done.
final class SlowPreparation: Preparation {
    let call = Mutex<(@Sendable () -> Void)?>(nil)
    let hasBegun = Mutex(false)
    let isDone = Mutex(false)
    /// How often a job has found no thread.
    let waits = Mutex(0)
    private let isUrgent: Bool

    init(isUrgent: Bool) { self.isUrgent = isUrgent }

    var delay: Duration? { isUrgent || hasBegun.withLock { $0 } ? nil : .milliseconds(100) }
    var isPressing: Bool { false }

    func attach(call: @escaping @Sendable () -> Void, hasQueue _: @escaping @Sendable () -> Bool) {
        self.call.withLock { $0 = call }
    }

    func jobIsWaiting() { waits.withLock { $0 += 1 } }

    func perform(on _: inout KernelThread) {
        hasBegun.withLock { $0 = true }
        for _ in 0..<10_000 where !isDone.withLock({ $0 }) { usleep(1000) }
    }
}
