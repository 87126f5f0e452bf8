import Foundation
import Synchronization
import SystemPackage
import Testing

@testable import LinuxKit

private func withWatcher(
    prepare: (Scratch) throws -> Void = { _ in }, _ body: (Scratch, Recorder) async throws -> Void
) async throws {
    let scratch = try Scratch()
    defer { scratch.cleanUp() }
    _ = try scratch.directory.prepare()
    try prepare(scratch)
    let recorder = Recorder()
    let watcher = try DirectoryWatcher(scratch.directory) { report in recorder.state.withLock { $0.add(report) } }
    defer { watcher.stop() }
    try await recorder.expect("a first sweep") { !$0.reports.isEmpty }
    try await body(scratch, recorder)
    #expect(recorder.now.failures.isEmpty)
}

/// The threads of this process with the watcher's name.
private func watcherThreads() throws -> [String] {
    try FileSystem.names(in: "/proc/self/task").map { "/proc/self/task/\(String(decoding: $0, as: UTF8.self))" }
        .filter { (try? FileSystem.read(FilePath("\($0)/comm"))) == Array("netnsd-watch\n".utf8) }
}

@Suite("Watching the mount directory", .tags(.kernel)) struct DirectoryWatcherTests {
    @Test("the first report is a sweep of what is there") func firstSweep() async throws {
        try await withWatcher { scratch in
            try scratch.add("mounted")
            try scratch.create("empty")
            try FileSystem.makeDirectory(scratch.directory.path.appending("directory"))
            symlink("/nowhere", scratch.path("dangling"))
            symlink("/proc/self/ns/net", scratch.path("linked"))
            try scratch.add(String(repeating: "n", count: Int(NAME_MAX)))
        } _: { scratch, recorder in
            let own = try scratch.ownNamespace
            guard case .swept(let observations) = try #require(recorder.now.reports.first) else {
                Issue.record("not a sweep")
                return
            }
            let found = Dictionary(
                uniqueKeysWithValues: observations.map { observation in
                    (String(decoding: observation.name, as: UTF8.self), observation.seen.regardlessOfMount)
                })
            #expect(
                found == [
                    "mounted": own, "empty": .plain, "directory": .plain, "dangling": .plain, "linked": own,
                    String(repeating: "n", count: Int(NAME_MAX)): own,
                ])
        }
    }

    @Test("a namespace that is added and deleted is seen finished, then gone") func addAndDelete() async throws {
        try await withWatcher { scratch, recorder in
            let own = try scratch.ownNamespace
            for name in ["a", "b"] {
                try scratch.add(name)
                try await recorder.expect(name, own)
            }
            for name in ["a", "b"] {
                try scratch.delete(name)
                try await recorder.expect(name, .absent)
            }
            #expect(recorder.now.everPlain.isEmpty)
        }
    }

    @Test("mounting on a file and a bare unmounting are seen, though inotify tells of neither") func bareMounts()
        async throws
    {
        try await withWatcher { scratch, recorder in
            try scratch.create("a")
            try await recorder.expect("a", .plain)
            for _ in 0..<3 {
                try scratch.bind("a")
                try await recorder.expect("a", scratch.ownNamespace)
                try scratch.unbind("a")
                try await recorder.expect("a", .plain)
            }
        }
    }

    @Test("a renamed name and one that is not UTF-8 are seen") func renamed() async throws {
        try await withWatcher { scratch, recorder in
            let odd: [UInt8] = [0xff, 0x20, 0x25]
            try scratch.create("a")
            try await recorder.expect("a", .plain)
            try FileSystem.rename(scratch.directory.path.appending("a"), to: scratch.directory.path.entry(odd))
            try await recorder.expect("the new name") { $0.names == [odd: .plain] }
        }
    }

    @Test("1,000 files made at once are all reported, in a few reports") func burst() async throws {
        try await withWatcher {
            try $0.cover()
        } _: { scratch, recorder in
            let before = recorder.now.reports.count
            try scratch.create(1000)
            try await recorder.expect("all of them") { $0.names.count == 1000 }
            #expect(recorder.now.reports.count - before <= 10)
            #expect(recorder.now.names.values.allSatisfy { $0 == .plain })
        }
    }

    @Test("no namespace of a burst is reported half-made or half-gone") func burstOfNamespaces() async throws {
        try await withWatcher { scratch, recorder in
            let own = try scratch.ownNamespace
            // On a busy machine, one or another is half-made for longer than the watcher waits, and is rightly told of.
            var slow: Set<[UInt8]> = []
            func time(_ index: Int, _ act: (String) throws -> Void) rethrows {
                let begin = ContinuousClock.now
                try act("n\(index)")
                if .now - begin > WatchLoop.settlingTime / 2 { slow.insert(Array("n\(index)".utf8)) }
            }
            for index in 0..<500 { try time(index, scratch.add) }
            try await recorder.expect("all of them") {
                $0.names.count == 500 && $0.names.values.allSatisfy { $0 == own }
            }
            for index in 0..<500 { try time(index, scratch.delete) }
            try await recorder.expect("none of them") { $0.names.isEmpty }
            #expect(slow.count < 50, "the machine is too busy to tell")
            #expect(recorder.now.everPlain.allSatisfy { slow.contains($0) })
        }
    }

    @Test("a directory that is unmounted, removed and made again is watched again") func directoryReplaced()
        async throws
    {
        try await withWatcher { scratch, recorder in
            let path = scratch.directory.path
            try scratch.add("a")
            try await recorder.expect("a", scratch.ownNamespace)
            try #require(umount2(path.string, CInt(MNT_DETACH)) == 0)
            try await recorder.expect("a", .plain)
            try FileSystem.unlink(path.appending("a"))
            try #require(rmdir(path.string) == 0)
            try await recorder.expect("a", .absent)
            try await Task.sleep(for: .milliseconds(300))
            let whileMissing = recorder.now.reports.count
            try await Task.sleep(for: .milliseconds(500))
            #expect(recorder.now.reports.count == whileMissing)
            #expect(recorder.now.reports.last == .swept([]))

            let sweeps = recorder.now.sweeps
            _ = try scratch.directory.prepare()
            try await recorder.expect("a sweep", within: .milliseconds(400)) { $0.sweeps > sweeps }
            try scratch.create("file")
            try await recorder.expect("file", .plain)
            try scratch.add("b")
            try await recorder.expect("b", scratch.ownNamespace)
        }
    }

    /// A watcher of a directory that is no mount, so that it can be moved.
    private func withMovable(_ body: (FilePath, Recorder) async throws -> Void) async throws {
        let root = FilePath("/tmp/netnsd-test-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(atPath: root.string) }
        let directory = try MountDirectory(creating: root.appending("netns"))
        try FileSystem.replace(directory.path.appending("a"), with: [])
        let recorder = Recorder()
        let watcher = try DirectoryWatcher(directory) { report in recorder.state.withLock { $0.add(report) } }
        defer { watcher.stop() }
        try await recorder.expect("a", .plain)
        try FileSystem.rename(directory.path, to: root.appending("moved"))
        try await recorder.expect("a", .absent)
        try await body(directory.path, recorder)
    }

    @Test("a directory that is moved away is let go, and another in its place is watched") func directoryMoved()
        async throws
    {
        try await withMovable { path, recorder in
            try FileSystem.makeDirectory(path)
            try FileSystem.replace(path.appending("b"), with: [])
            try await recorder.expect("b", within: .milliseconds(400)) { $0.names[Array("b".utf8)] == .plain }
            try FileSystem.replace(path.removingLastComponent().appending("moved/stray"), with: [])
            try FileSystem.replace(path.appending("c"), with: [])
            try await recorder.expect("c", .plain)
            #expect(recorder.seen("stray") == .absent)
        }
    }

    @Test("a directory that cannot be watched is said once, and watched when it can be") func failure() async throws {
        try await withMovable { path, recorder in
            try #require(symlink(path.string, path.string) == 0)
            try await recorder.expect("a failure", within: .milliseconds(400)) { !$0.failures.isEmpty }
            try await Task.sleep(for: .milliseconds(500))
            #expect(recorder.now.failures == [SystemError(.watch, path, errno: .tooManySymbolicLinkLevels)])
            try FileSystem.unlink(path)
            try FileSystem.makeDirectory(path)
            try FileSystem.replace(path.appending("b"), with: [])
            try await recorder.expect("b", within: .milliseconds(400)) { $0.names[Array("b".utf8)] == .plain }
        }
    }

    @Test("another file system mounted over the directory is watched in its stead") func directoryCovered() async throws
    {
        try await withWatcher { scratch, recorder in
            try scratch.create("a")
            try await recorder.expect("a", .plain)
            try scratch.cover()
            try await recorder.expect("a", .absent)
            try scratch.create("b")
            try await recorder.expect("b", .plain)
            // In the middle of its work, too: new files are being given time to become namespaces.
            try scratch.create(100)
            try await Task.sleep(for: .milliseconds(20))
            // No longer busy than a look at the directory takes.
            var isUncovered = false
            for _ in 0..<50 where !isUncovered {
                isUncovered = umount2(scratch.directory.path.string, 0) == 0
                if !isUncovered { try await Task.sleep(for: .milliseconds(2)) }
            }
            try #require(isUncovered, "the watcher keeps no file system busy")
            try await recorder.expect("a sweep") { $0.names == [Array("a".utf8): .plain] }
            try scratch.create("c")
            try await recorder.expect("c", .plain)
        }
    }

    @Test("events that inotify had to drop are made up for by a sweep") func overflow() async throws {
        let limit = String(decoding: try FileSystem.read("/proc/sys/fs/inotify/max_queued_events"), as: UTF8.self)
        let events = try #require(Int(limit.filter(\.isNumber)))
        let scratch = try Scratch()
        defer { scratch.cleanUp() }
        _ = try scratch.directory.prepare()
        try scratch.cover()
        let recorder = Recorder()
        let gate = DispatchSemaphore(value: 0)
        let isReporting = Atomic(false)
        let watcher = try DirectoryWatcher(scratch.directory) { report in
            isReporting.store(true, ordering: .releasing)
            gate.wait()
            recorder.state.withLock { $0.add(report) }
            gate.signal()
        }
        defer {
            gate.signal()
            watcher.stop()
        }
        // Held up in its first report, it leaves the queue to fill.
        while !isReporting.load(ordering: .acquiring) { try await Task.sleep(for: .milliseconds(2)) }
        try scratch.create(events / 2 + 1, deleting: true)
        try scratch.create("last")
        gate.signal()
        try await recorder.expect("last", within: .seconds(2)) { $0.names == [Array("last".utf8): .plain] }
        #expect(recorder.now.sweeps >= 2)
    }

    @Test("a busy mount table makes sweeps no more often than every 40 ms") func rateLimit() async throws {
        try await withWatcher { scratch, recorder in
            try scratch.create("a")
            try await recorder.expect("a", .plain)
            let before = recorder.now.sweeps
            let start = ContinuousClock.now
            while ContinuousClock.now - start < .milliseconds(600) {
                try scratch.bind("a")
                try scratch.unbind("a")
            }
            let sweeps = recorder.now.sweeps - before
            #expect((3...17).contains(sweeps), "\(sweeps) sweeps")
        }
    }

    @Test("a stopped watcher leaves no thread and no descriptor, and reports nothing more") func stopped() async throws
    {
        let scratch = try Scratch()
        defer { scratch.cleanUp() }
        _ = try scratch.directory.prepare()
        // What the process opens once, such as a thread's own, is open by now.
        for _ in 0..<2 {
            let descriptors = try FileSystem.names(in: "/proc/self/fd").count
            let threads = try FileSystem.names(in: "/proc/self/task").count
            #expect(try watcherThreads().isEmpty)
            let recorder = Recorder()
            let watcher = try DirectoryWatcher(scratch.directory) { report in recorder.state.withLock { $0.add(report) }
            }
            try await recorder.expect("a first sweep") { !$0.reports.isEmpty }
            #expect(try watcherThreads().count == 1)
            #expect(try FileSystem.names(in: "/proc/self/fd").count == descriptors + 3)
            watcher.stop()
            watcher.stop()
            #expect(try watcherThreads().isEmpty)
            #expect(try FileSystem.names(in: "/proc/self/fd").count == descriptors)
            #expect(try FileSystem.names(in: "/proc/self/task").count <= threads)
            let reports = recorder.now.reports.count
            try scratch.create("after-\(UUID().uuidString)")
            try await Task.sleep(for: .milliseconds(100))
            #expect(recorder.now.reports.count == reports)
        }
    }

    @Test("an idle watcher uses no processor time") func idle() async throws {
        try await withWatcher { _, _ in
            try await Task.sleep(for: .milliseconds(300))
            let thread = FilePath(try #require(try watcherThreads().first))
            func nanoseconds() throws -> Int {
                let text = String(decoding: try FileSystem.read(thread.appending("schedstat")), as: UTF8.self)
                return try #require(text.split(separator: " ").first.flatMap { Int($0) })
            }
            // Others may mount something meanwhile, and each time it looks at the empty directory; in a quiet second it
            // is not woken once.
            for _ in 0..<20 {
                let before = try nanoseconds()
                try await Task.sleep(for: .seconds(1))
                if try nanoseconds() == before { return }
            }
            Issue.record("it never slept through a second")
        }
    }
}
