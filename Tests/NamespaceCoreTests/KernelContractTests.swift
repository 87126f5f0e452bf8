import Foundation
import Glibc
import LinuxKit
import Synchronization
import SystemPackage
import Testing

@testable import NamespaceCore

/// What every ``NamespaceKernel`` does alike, the real one and the one that the manager's tests have in its stead.
@Suite("What a kernel does", .timeLimit(.minutes(1))) struct KernelContractTests {
    /// Which kernel; each test is run with both.
    enum Kind: CaseIterable, CustomTestStringConvertible {
        case fake
        case real

        var testDescription: String { self == .fake ? "the one in memory" : "Linux" }
    }

    /// A kernel, and the means to put what is no namespace into its directory.
    private struct Subject {
        let kernel: any NamespaceKernel
        let addStale: (NamespaceName) throws -> Void
        let name: NamespaceName
        let other: NamespaceName
        /// The real one's.
        let workers: KernelWorkers?

        init(
            _ kernel: any NamespaceKernel, workers: KernelWorkers? = nil,
            addStale: @escaping (NamespaceName) throws -> Void
        ) throws {
            self.kernel = kernel
            self.workers = workers
            self.addStale = addStale
            name = try #require(NamespaceName(pathSegment: "one"))
            other = try #require(NamespaceName(pathSegment: "two"))
        }
    }

    private func with(_ kind: Kind, _ body: (Subject) async throws -> Void) async throws {
        guard kind == .real else {
            let kernel = FakeKernel()
            return try await body(Subject(kernel) { kernel.add($0, .stale) })
        }
        let root = "/tmp/netnsd-core-\(UUID().uuidString)"
        let path = FilePath(root).appending("netns")
        let directory = try MountDirectory(creating: path)
        defer {
            // The directory's own mount, and with it those on its files.
            _ = umount2(path.string, CInt(MNT_DETACH))
            try? FileManager.default.removeItem(atPath: root)
        }
        let workers = try KernelWorkers(count: 1)
        do {
            let kernel = try LinuxKernel(directory: directory, workers: workers)
            try await body(
                Subject(kernel, workers: workers) { try FileSystem.replace(path.appending("\($0)"), with: []) })
        } catch {
            await workers.stop()
            throw error
        }
        await workers.stop()
    }

    /// What an order told of itself.
    private final class Account: Sendable {
        private let told = Mutex<[String]>([])
        private let announced = Mutex<NamespaceIdentity?>(nil)
        private let refusal: SystemError?

        init(refusing refusal: SystemError? = nil) { self.refusal = refusal }

        var events: [String] { told.withLock { $0 } }
        var identity: NamespaceIdentity? { announced.withLock { $0 } }

        func order(_ name: NamespaceName, _ kind: Creation.Kind = .new(.down)) -> NamespaceOrder {
            NamespaceOrder(
                name: name, kind: kind, isLikelyFree: false, isNearlyDone: nil,
                announce: { (identity) throws(SystemError) in
                    self.told.withLock { $0.append("announce") }
                    self.announced.withLock { $0 = identity }
                    if let refusal = self.refusal { throw refusal }
                }, withdraw: { self.told.withLock { $0.append("withdraw") } })
        }
    }

    private func create(_ order: NamespaceOrder, in kernel: any NamespaceKernel) async throws -> NamespaceStatus {
        let mountID = try await kernel.prepareDirectory()
        return try #require(await kernel.create([order], mountID: mountID).first).get()
    }

    @Test("A directory that is ready stays the mount that it is", arguments: Kind.allCases)
    func preparation(kind: Kind) async throws {
        try await with(kind) { subject in
            let first = try await subject.kernel.prepareDirectory()
            #expect(try await subject.kernel.prepareDirectory() == first)
            try await subject.kernel.probe(mountID: first)
            await #expect(throws: SystemError.self) { try await subject.kernel.probe(mountID: first + 1_000_000) }
        }
    }

    @Test("A namespace is announced as what it then is, and found as that", arguments: Kind.allCases)
    func creation(kind: Kind) async throws {
        try await with(kind) { subject in
            let (name, other) = (subject.name, subject.other)
            let kernel = subject.kernel
            let (down, up) = (Account(), Account())
            let first = try await create(down.order(name), in: kernel)
            let second = try await create(up.order(other, .new(.up)), in: kernel)
            #expect(down.events == ["announce"] && down.identity == first.identity)
            #expect(!first.isLoopbackUp && second.isLoopbackUp)
            #expect(first.identity != second.identity && first.mountID != second.mountID)
            let absent = try #require(NamespaceName(pathSegment: "absent"))
            #expect(
                try await kernel.inspect([other, absent, name]) == [.namespace(second), .absent, .namespace(first)])
            guard case .swept(let seen) = try await kernel.changes() else {
                Issue.record("at first, all that is there")
                return
            }
            #expect(Set(seen.map(\.name)) == [name.bytes, other.bytes])
        }
    }

    @Test("A taken name is refused before anything is announced", arguments: Kind.allCases)
    func taken(kind: Kind) async throws {
        try await with(kind) { subject in
            let (name, other) = (subject.name, subject.other)
            let status = try await create(Account().order(name), in: subject.kernel)
            try subject.addStale(other)
            for taken in [name, other] {
                let account = Account()
                let error = await #expect(throws: SystemError.self) {
                    try await create(account.order(taken), in: subject.kernel)
                }
                #expect(error?.operation == .createFile && error?.errno == .fileExists)
                #expect(account.events.isEmpty)
            }
            #expect(try await subject.kernel.inspect([name, other]) == [.namespace(status), .stale])
        }
    }

    @Test("A directory that is another one by now is said to be, and nothing made", arguments: Kind.allCases)
    func lostDirectory(kind: Kind) async throws {
        try await with(kind) { subject in
            let name = subject.name
            let mountID = try await subject.kernel.prepareDirectory()
            let account = Account()
            let results = await subject.kernel.create([account.order(name)], mountID: mountID + 1_000_000)
            guard case .failure(let error)? = results.first else {
                Issue.record("not refused")
                return
            }
            #expect(error.operation == .verifyDirectory && account.events.isEmpty)
            #expect(try await subject.kernel.inspect([name]) == [.absent])
        }
    }

    @Test("What cannot be announced is not made, and is withdrawn; the next order is filled", arguments: Kind.allCases)
    func announcement(kind: Kind) async throws {
        try await with(kind) { subject in
            let (name, other) = (subject.name, subject.other)
            let refusal = SystemError(.write, "/record", errno: .noSpace)
            let (refused, accepted) = (Account(refusing: refusal), Account())
            let mountID = try await subject.kernel.prepareDirectory()
            let results = await subject.kernel.create([refused.order(name), accepted.order(other)], mountID: mountID)
            try #require(results.count == 2)
            #expect(results[0] == .failure(refusal))
            #expect(refused.events == ["announce", "withdraw"] && accepted.events == ["announce"])
            let status = try results[1].get()
            #expect(try await subject.kernel.inspect([name, other]) == [.absent, .namespace(status)])
        }
    }

    @Test("What is removed is gone before that is noted, and a second time is none", arguments: Kind.allCases)
    func removal(kind: Kind) async throws {
        try await with(kind) { subject in
            let name = subject.name
            let kernel = subject.kernel
            _ = try await create(Account().order(name), in: kernel)
            #expect(try await !kernel.removeStale(name))
            let notes = Mutex(0)
            #expect(try await kernel.remove(name) { () throws(SystemError) in notes.withLock { $0 += 1 } })
            #expect(try await kernel.inspect([name]) == [.absent])
            #expect(try await !kernel.remove(name) { () throws(SystemError) in notes.withLock { $0 += 1 } })
            #expect(notes.withLock { $0 } == 2)

            _ = try await create(Account().order(name), in: kernel)
            let failure = SystemError(.unlink, "/record", errno: .ioError)
            await #expect(throws: failure) { try await kernel.remove(name) { () throws(SystemError) in throw failure } }
            #expect(try await kernel.inspect([name]) == [.absent])
        }
    }

    @Test("A file that is no namespace is removed as such, once", arguments: Kind.allCases)
    func staleFile(kind: Kind) async throws {
        try await with(kind) { subject in
            let name = subject.name
            _ = try await subject.kernel.prepareDirectory()
            try subject.addStale(name)
            #expect(try await subject.kernel.inspect([name]) == [.stale])
            #expect(try await subject.kernel.removeStale(name))
            #expect(try await !subject.kernel.removeStale(name))
            #expect(try await subject.kernel.inspect([name]) == [.absent])
        }
    }

    @Test("A namespace that is nowhere to be found is given no name", arguments: Kind.allCases)
    func missingSource(kind: Kind) async throws {
        try await with(kind) { subject in
            let name = subject.name
            let source = try #require(
                NamespaceSource(path: "\(subject.kernel.directory)/absent", directory: subject.kernel.directory))
            let account = Account()
            let error = await #expect(throws: SystemError.self) {
                try await create(account.order(name, .existing(source)), in: subject.kernel)
            }
            #expect(error?.operation == .openSource && error?.errno == .noSuchFileOrDirectory)
            #expect(account.events.isEmpty)
            #expect(try await subject.kernel.inspect([name]) == [.absent])
        }
    }

    @Test("Other work is done, and what it throws is thrown", arguments: Kind.allCases)
    func otherWork(kind: Kind) async throws {
        try await with(kind) { subject in
            let seven = try await subject.kernel.blocking { () throws(SystemError) in 7 }
            #expect(seven == 7)
            let failure = SystemError(.read, "/record", errno: .ioError)
            await #expect(throws: failure) {
                try await subject.kernel.blocking { () throws(SystemError) in throw failure }
            }
        }
    }

    @Test("A look does not wait for the namespaces that are to be made") func looksFirst() async throws {
        try await with(.real) { subject in
            let (kernel, workers) = (subject.kernel, try #require(subject.workers))
            let mountID = try await kernel.prepareDirectory()
            let names = try (0..<5).map { try #require(NamespaceName(pathSegment: "made-\($0)")) }
            let gate = DispatchSemaphore(value: 0)
            defer { gate.signal() }
            let held = Task { try await kernel.blocking { () throws(SystemError) in gate.wait() } }
            while workers.runningJobs < 1 { try await Task.sleep(for: .milliseconds(1)) }
            let outcomes = try await withThrowingTaskGroup(of: Bool.self) { group in
                for name in names {
                    group.addTask {
                        let results = await kernel.create([Account().order(name)], mountID: mountID)
                        return (try? results.first?.get()) != nil
                    }
                }
                while workers.queuedJobs < names.count { try await Task.sleep(for: .milliseconds(1)) }
                group.addTask { try await kernel.inspect(names) == names.map { _ in .absent } }
                while workers.queuedJobs <= names.count { try await Task.sleep(for: .milliseconds(1)) }
                gate.signal()
                return try await group.reduce(into: []) { $0.append($1) }
            }
            try await held.value
            #expect(outcomes == Array(repeating: true, count: 6))
        }
    }
}
