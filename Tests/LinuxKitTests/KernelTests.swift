import Foundation
import SystemPackage
import Testing

@testable import LinuxKit

extension Tag {
    @Tag static var kernel: Self
}

/// A mount directory of the test's own, unmounted and removed at the end.
final class Scratch: Sendable {
    let root: FilePath
    let directory: MountDirectory

    init() throws {
        root = FilePath("/tmp/netnsd-test-\(UUID().uuidString)")
        directory = try MountDirectory(creating: root.appending("netns"))
    }

    var namespaces: NamespaceDirectory { NamespaceDirectory(directory) }

    func mounts() throws -> [Mount] {
        let prefix = Array(root.string.utf8) + [UInt8(ascii: "/")]
        return try MountInfo.read().mounts.filter { $0.mountPoint.starts(with: prefix) }
    }

    func cleanUp() {
        for mount in ((try? mounts()) ?? []).reversed() {
            umount2(String(decoding: mount.mountPoint, as: UTF8.self), CInt(MNT_DETACH))
        }
        try? FileManager.default.removeItem(atPath: root.string)
    }
}

private func withScratch<Result>(
    workers count: Int = 2, _ body: (Scratch, KernelWorkers) async throws -> Result
) async throws -> Result {
    let scratch = try Scratch()
    let workers = try KernelWorkers(count: count)
    do {
        let result = try await body(scratch, workers)
        await workers.stop()
        scratch.cleanUp()
        return result
    } catch {
        await workers.stop()
        scratch.cleanUp()
        throw error
    }
}

extension NamespaceDirectory {
    fileprivate func names() throws(SystemError) -> [[UInt8]] {
        try FileSystem.names(in: directory.path).sorted { $0.lexicographicallyPrecedes($1) }
    }

    fileprivate func create(
        _ name: String, isLikelyFree: Bool = false, up: Bool = false, mountID: UInt64, _ workers: KernelWorkers,
        announce: @escaping @Sendable (NamespaceIdentity) throws(SystemError) -> Void = { (_) throws(SystemError) in },
        withdraw: @escaping @Sendable () -> Void = {}
    ) async throws(SystemError) -> NamespaceStatus {
        try await workers.run { (thread) throws(SystemError) in
            try create(
                Array(name.utf8), isLikelyFree: isLikelyFree, raisingLoopback: up, mountID: mountID, on: &thread,
                announce: announce, withdraw: withdraw)
        }
    }

    fileprivate func inspect(_ name: String, _ workers: KernelWorkers) async throws(SystemError) -> Entry {
        try await workers.run { (thread) throws(SystemError) in try inspect(Array(name.utf8), on: &thread) }
    }
}

@Suite("The kernel's namespaces", .tags(.kernel)) struct KernelTests {
    @Test("a namespace is created, seen, deleted and gone") func lifeCycle() async throws {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let namespaces = scratch.namespaces
            let created = try await namespaces.create("a", mountID: mountID, workers)
            #expect(try await namespaces.inspect("a", workers) == .namespace(created))
            #expect(try namespaces.names() == [Array("a".utf8)])
            #expect(try Node.at(namespaces.path(of: Array("a".utf8))).inode == created.identity.inode)
            #expect(try namespaces.remove(Array("a".utf8)))
            #expect(try await namespaces.inspect("a", workers) == .absent)
            #expect(try !namespaces.remove(Array("a".utf8)))
            #expect(try scratch.mounts().count == 1)
        }
    }

    @Test("two namespaces differ from each other and from the host's") func distinct() async throws {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let first = try await scratch.namespaces.create("a", mountID: mountID, workers).identity
            let second = try await scratch.namespaces.create("b", mountID: mountID, workers).identity
            let host = try CurrentNamespace.status(of: try Node.at(CurrentNamespace.path)).identity
            #expect(Set([first.inode, second.inode, host.inode]).count == 3)
            #expect(Set([first.cookie, second.cookie, host.cookie]).count == 3)
        }
    }

    @Test("loopback is raised on demand only", arguments: [true, false]) func loopback(up: Bool) async throws {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let status = try await scratch.namespaces.create("a", up: up, mountID: mountID, workers)
            #expect(status.isLoopbackUp == up)
            #expect(try await scratch.namespaces.inspect("a", workers) == .namespace(status))
        }
    }

    @Test("a taken name is refused, and what has it is left alone") func taken() async throws {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let existing = try await scratch.namespaces.create("a", mountID: mountID, workers)
            await #expect(throws: SystemError(.createFile, scratch.directory.path.appending("a"), errno: .fileExists)) {
                try await scratch.namespaces.create("a", mountID: mountID, workers)
            }
            #expect(try await scratch.namespaces.inspect("a", workers) == .namespace(existing))
        }
    }

    @Test("a name that was thought to be free, and is taken, is refused after all, and what has it is left alone")
    func takenUnknown() async throws {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let existing = try await scratch.namespaces.create("a", isLikelyFree: true, mountID: mountID, workers)
            await confirmation("withdrawn") { withdrawn in
                let path = scratch.directory.path.appending("a")
                _ = await #expect(throws: SystemError(.createFile, path, errno: .fileExists)) {
                    try await scratch.namespaces.create(
                        "a", isLikelyFree: true, mountID: mountID, workers, withdraw: { withdrawn() })
                }
            }
            #expect(try await scratch.namespaces.inspect("a", workers) == .namespace(existing))
            #expect(try scratch.mounts().count == 2)
        }
    }

    @Test("the short way to a namespace leads where the long one does") func bothWays() async throws {
        try await withScratch(workers: 1) { scratch, workers in
            let found = try await workers.run { (thread) throws(SystemError) in
                let way = thread.way
                return try thread.inNewNetworkNamespace { () throws(SystemError) in
                    // Nothing is relied on before it has been seen to be so.
                    let isClosedAtFirst = way.open() == nil
                    let long = try NewNamespace.current(raisingLoopback: false, by: way)
                    let isShort = way.open() != nil
                    let short = try NewNamespace.current(raisingLoopback: false, by: way)
                    return (short.status.identity, long.status.identity, isClosedAtFirst, isShort)
                }
            }
            #expect(found.2)
            #expect(found.0 == found.1)
            // Where the kernel has all of it, it is taken.
            let release = try HostFacts.read(directory: scratch.directory).kernelRelease
            let numbers = release.split(separator: ".").prefix(2).compactMap { Int($0) }
            let isNew = numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 18)
            #expect(found.3 == isNew)
        }
    }

    @Test("the mount has the id that was told, is shared, and its source is the namespace") func mountOfCreation()
        async throws
    {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let status = try await scratch.namespaces.create("a", mountID: mountID, workers)
            let path = scratch.directory.path.appending("a")
            let node = try Node.at(path)
            #expect(node.mountID == status.mountID && node.isMountRoot)
            #expect(node.inode == status.identity.inode && node.device == status.identity.device)
            let mount = try #require(try MountInfo.read().mounts(of: path).first)
            #expect(mount.fileSystemType == Array("nsfs".utf8) && mount.peerGroup != nil)
        }
    }

    @Test("threads may run where they could before, however many jobs were theirs") func processorsOfThreads()
        async throws
    {
        try await withScratch(workers: 2) { scratch, workers in
            func sets() throws -> Set<[UInt8]> {
                var sets: Set<[UInt8]> = []
                for task in try FileSystem.names(in: "/proc/self/task") {
                    let path = FilePath("/proc/self/task/\(String(decoding: task, as: UTF8.self))/status")
                    // One that has ended meanwhile has none.
                    guard let status = try? FileSystem.read(path) else { continue }
                    let lines = status.split(separator: UInt8(ascii: "\n")).map(Array.init)
                    sets.formUnion(lines.filter { $0.starts(with: Array("Cpus_allowed_list:".utf8)) })
                }
                return sets
            }
            let before = try sets()
            let mountID = try scratch.directory.prepare()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for client in 0..<6 {
                    group.addTask {
                        for number in 0..<40 {
                            let name = "c\(client)-\(number)"
                            _ = try await scratch.namespaces.create(name, mountID: mountID, workers)
                            let isGone = try await workers.run { (_) throws(SystemError) in
                                try scratch.namespaces.remove(Array(name.utf8))
                            }
                            #expect(isGone)
                        }
                    }
                }
                try await group.waitForAll()
            }
            // A thread that looks out for its next job may be on its way to another processor.
            for _ in 0..<200 where try sets() != before { try await Task.sleep(for: .milliseconds(10)) }
            #expect(try sets() == before)
        }
    }

    @Test("a refused announcement is withdrawn and leaves nothing") func announcementFails() async throws {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let failure = SystemError(.write, "/record", errno: .noSpace)
            await confirmation("withdrawn") { withdrawn in
                _ = await #expect(throws: failure) {
                    try await scratch.namespaces.create(
                        "a", mountID: mountID, workers, announce: { (_) throws(SystemError) in throw failure },
                        withdraw: { withdrawn() })
                }
            }
            #expect(try scratch.namespaces.names().isEmpty)
            #expect(try scratch.mounts().count == 1)
        }
    }

    @Test("a name taken while the namespace is made is refused, and the other's file stays") func takenMeanwhile()
        async throws
    {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let path = scratch.directory.path.appending("a")
            await confirmation("withdrawn") { withdrawn in
                _ = await #expect(throws: SystemError(.createFile, path, errno: .fileExists)) {
                    try await scratch.namespaces.create(
                        "a", mountID: mountID, workers,
                        announce: { (_) throws(SystemError) in try FileSystem.replace(path, with: [1]) },
                        withdraw: { withdrawn() })
                }
            }
            #expect(try FileSystem.read(path) == [1])
            #expect(try scratch.mounts().count == 1)
        }
    }

    @Test("a directory that vanished before the mount leaves nothing") func directoryVanishes() async throws {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let path = scratch.directory.path
            umount2(path.string, CInt(MNT_DETACH))
            await #expect(throws: SystemError(.verifyDirectory, path, errno: .noSuchFileOrDirectory)) {
                try await scratch.namespaces.create("a", mountID: mountID, workers)
            }
            #expect(try scratch.directory.prepare() != mountID)
            #expect(try scratch.namespaces.names().isEmpty)
        }
    }

    @Test("every mount stacked on a name is detached") func stacked() async throws {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            _ = try await scratch.namespaces.create("a", mountID: mountID, workers)
            let path = scratch.directory.path.appending("a").string
            for _ in 0..<3 { #expect(mount("/proc/self/ns/net", path, "none", UInt(MS_BIND), nil) == 0) }
            #expect(try scratch.mounts().count == 5)
            #expect(try scratch.namespaces.remove(Array("a".utf8)))
            #expect(try scratch.mounts().count == 1)
        }
    }

    @Test("what is no network namespace is stale, and a name need not be UTF-8") func stale() async throws {
        try await withScratch { scratch, workers in
            _ = try scratch.directory.prepare()
            let directory = scratch.directory.path
            try FileSystem.replace(directory.appending("empty"), with: [])
            try FileSystem.makeDirectory(directory.appending("directory"))
            mkfifo(directory.appending("fifo").string, 0o600)
            symlink("/nowhere", directory.appending("dangling").string)
            symlink(String(repeating: "x", count: 300), directory.appending("endless").string)
            try FileSystem.replace(directory.appending("uts"), with: [])
            #expect(mount("/proc/self/ns/uts", directory.appending("uts").string, "none", UInt(MS_BIND), nil) == 0)
            for name in ["empty", "directory", "fifo", "dangling", "endless", "uts"] {
                #expect(try await scratch.namespaces.inspect(name, workers) == .stale, "\(name)")
            }
            let odd: [UInt8] = [0xff, 0x20, 0x25]
            close(unsafe directory.entry(odd).withPlatformString { open($0, O_CREAT, 0o600) })
            #expect(try scratch.namespaces.names().contains(odd))
            #expect(try scratch.namespaces.remove(odd))
            #expect(throws: SystemError(.unlink, directory.appending("directory"), errno: .isDirectory)) {
                try scratch.namespaces.remove(Array("directory".utf8))
            }
        }
    }

    @Test("a process inside is found, and this process is not") func processes() async throws {
        try await withScratch { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let identity = try await scratch.namespaces.create("a", mountID: mountID, workers).identity
            #expect(try ProcessTable.processes(inNetworkNamespace: identity.inode).isEmpty)
            let sleeper = Process()
            sleeper.executableURL = URL(filePath: "/usr/bin/nsenter")
            sleeper.arguments = ["--net=\(scratch.directory.path)/a", "sleep", "20"]
            try sleeper.run()
            defer { sleeper.terminate() }
            let deadline = ContinuousClock.now + .seconds(10)
            var found: [Int32] = []
            while found.isEmpty, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(20))
                found = try ProcessTable.processes(inNetworkNamespace: identity.inode)
            }
            #expect(found == [sleeper.processIdentifier])
        }
    }

    @Test("workers are home again after 1,000 jobs, and there are as many as before") func workersReturn() async throws
    {
        try await withScratch(workers: 3) { scratch, workers in
            let home = try FileSystem.readLink("/proc/thread-self/ns/net")
            await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<1000 {
                    group.addTask {
                        let here = try await workers.run { (thread) throws(SystemError) -> [UInt8] in
                            let inside = try thread.inNewNetworkNamespace { () throws(SystemError) in
                                try FileSystem.readLink("/proc/thread-self/ns/net")
                            }
                            guard index % 10 != 0 else { throw SystemError(.statx, errno: .noMemory) }
                            #expect(inside != home)
                            return try FileSystem.readLink("/proc/thread-self/ns/net")
                        }
                        #expect(here == home)
                    }
                }
                var failures = 0
                while let result = await group.nextResult() {
                    if case .failure = result { failures += 1 }
                }
                #expect(failures == 100)
            }
            #expect(workers.threadCount == 3)
        }
    }

    @Test("a worker that a job has left in a new namespace is home for the next job") func staysUntilEnd() async throws
    {
        try await withScratch(workers: 1) { scratch, workers in
            let home = try FileSystem.readLink("/proc/thread-self/ns/net")
            let mountID = try scratch.directory.prepare()
            for number in 0..<20 {
                let seen = try await workers.run { (thread) throws(SystemError) -> [[UInt8]] in
                    var seen: [[UInt8]] = []
                    for name in ["a\(number)", "b\(number)"] {
                        _ = try scratch.namespaces.create(
                            Array(name.utf8), raisingLoopback: false, mountID: mountID, on: &thread,
                            announce: { (_) throws(SystemError) in
                                seen.append(try FileSystem.readLink("/proc/thread-self/ns/net"))
                            }, withdraw: {})
                    }
                    return seen
                }
                #expect(Set(seen + [home]).count == 3)
                let here = try await workers.run { (_) throws(SystemError) in
                    try FileSystem.readLink("/proc/thread-self/ns/net")
                }
                #expect(here == home)
            }
            #expect(workers.threadCount == 1)
        }
    }

    @Test("a worker is home before it gives its answer") func isHomeFirst() async throws {
        try await withScratch(workers: 1) { scratch, workers in
            let home = try FileSystem.readLink("/proc/self/ns/net")
            let mountID = try scratch.directory.prepare()
            for number in 0..<50 {
                _ = try await scratch.namespaces.create("a\(number)", mountID: mountID, workers)
                for task in try FileSystem.names(in: "/proc/self/task") {
                    let link = FilePath("/proc/self/task/\(String(decoding: task, as: UTF8.self))/ns/net")
                    // One that has ended meanwhile has none.
                    #expect((try? FileSystem.readLink(link)) ?? home == home)
                }
            }
        }
    }

    @Test("a namespace that is left by a job's end dies with its name") func diesWithItsName() async throws {
        try await withScratch(workers: 1) { scratch, workers in
            let mountID = try scratch.directory.prepare()
            let created = try await scratch.namespaces.create("a", mountID: mountID, workers)
            let isOpen = try await workers.run { (_) throws(SystemError) in
                try FileSystem.names(in: "/proc/thread-self/fd").contains { name in
                    let link = FilePath("/proc/thread-self/fd/\(String(decoding: name, as: UTF8.self))")
                    return (try? FileSystem.readLink(link)) == Array("net:[\(created.identity.inode)]".utf8)
                }
            }
            #expect(!isOpen)
        }
    }

    @Test("eight racing set-ups of a bare directory leave one mount of it") func racingSetUp() async throws {
        try await withScratch(workers: 8) { scratch, workers in
            let directory = scratch.directory
            let identifiers = try await withThrowingTaskGroup(of: UInt64.self) { group in
                for _ in 0..<8 {
                    group.addTask { try await workers.run { (_) throws(SystemError) in try directory.prepare() } }
                }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(identifiers.count == 1)
            #expect(try MountInfo.read().mounts(of: directory.path).count == 1)
            #expect(try Propagation.of(directory.path) == Propagation(kind: .shared, isVisibleToHost: true))
        }
    }

    @Test("a stopped pool refuses jobs and has no threads left") func stopped() async throws {
        let workers = try KernelWorkers(count: 2)
        await workers.stop()
        await workers.stop()
        #expect(workers.threadCount == 0)
        await #expect(throws: SystemError(.submitJob, errno: .canceled)) {
            try await workers.run { (_) throws(SystemError) in 1 }
        }
    }
}
