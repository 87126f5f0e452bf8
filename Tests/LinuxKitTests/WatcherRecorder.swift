import Foundation
import Synchronization
import SystemPackage
import Testing

@testable import LinuxKit

/// The reports of one watcher, and the names as whoever follows them knows them.
final class Recorder: Sendable {
    struct State {
        var reports: [DirectoryWatcher.Report] = []
        var names: [[UInt8]: DirectoryWatcher.Seen] = [:]
        var everPlain: Set<[UInt8]> = []

        var sweeps: Int {
            reports.count {
                if case .swept = $0 { true } else { false }
            }
        }

        var failures: [SystemError] {
            reports.compactMap {
                if case .failed(let error) = $0 { error } else { nil }
            }
        }

        mutating func add(_ report: DirectoryWatcher.Report) {
            reports.append(report)
            switch report {
            case .changed(let observations):
                for observation in observations {
                    names[observation.name] = observation.seen == .absent ? nil : observation.seen.regardlessOfMount
                }
                note(observations)
            case .swept(let observations):
                names = Dictionary(observations.map { ($0.name, $0.seen.regardlessOfMount) }) { $1 }
                note(observations)
            case .failed:
                break
            }
        }

        private mutating func note(_ observations: [DirectoryWatcher.Observation]) {
            for observation in observations where observation.seen == .plain { everPlain.insert(observation.name) }
        }
    }

    let state = Mutex(State())

    var now: State { state.withLock { $0 } }

    func seen(_ name: String) -> DirectoryWatcher.Seen {
        state.withLock { $0.names[Array(name.utf8)] ?? .absent }
    }

    /// Waits for what the watcher promises within 200 ms.
    func expect(
        _ what: Comment, within limit: Duration = .milliseconds(200),
        sourceLocation: SourceLocation = #_sourceLocation, _ condition: (State) -> Bool
    ) async throws {
        let start = ContinuousClock.now
        while !condition(now) {
            try #require(ContinuousClock.now - start < limit, what, sourceLocation: sourceLocation)
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    func expect(
        _ name: String, _ seen: DirectoryWatcher.Seen, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await expect("\(name) is \(seen)", sourceLocation: sourceLocation) {
            ($0.names[Array(name.utf8)] ?? .absent) == seen
        }
    }
}

/// What other tools do to a mount directory, with the calls they do it with.
extension Scratch {
    /// What a name that stands for this process's namespace is seen as, whatever mount it is.
    var ownNamespace: DirectoryWatcher.Seen {
        get throws {
            let node = try Node.at("/proc/self/ns/net")
            return .namespaceFile(device: node.device, inode: node.inode, mountID: 0)
        }
    }

    func path(_ name: String) -> String { directory.path.appending(name).string }

    func create(_ name: String) throws {
        let descriptor = open(path(name), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0)
        try #require(descriptor >= 0)
        close(descriptor)
    }

    /// Mounts a tmpfs, which /run is, over the directory: a file on disk takes a millisecond to make.
    func cover() throws {
        try #require(mount("none", directory.path.string, "tmpfs", 0, nil) == 0)
    }

    /// As fast as it goes: #require is slow next to a system call.
    func create(_ count: Int, deleting: Bool = false) throws {
        let descriptor = open(directory.path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(descriptor) }
        var failures = 0
        for index in 0..<count {
            let file = openat(descriptor, "f\(index)", O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0)
            if file < 0 || close(file) != 0 { failures += 1 }
            if deleting && unlinkat(descriptor, "f\(index)", 0) != 0 { failures += 1 }
        }
        try #require(failures == 0)
    }

    func bind(_ name: String) throws {
        try #require(mount("/proc/self/ns/net", path(name), "none", UInt(MS_BIND), nil) == 0)
    }

    func unbind(_ name: String) throws { try #require(umount2(path(name), CInt(MNT_DETACH)) == 0) }

    func add(_ name: String) throws {
        try create(name)
        try bind(name)
    }

    func delete(_ name: String) throws {
        try unbind(name)
        try #require(unlink(path(name)) == 0)
    }
}

extension DirectoryWatcher.Seen {
    var regardlessOfMount: DirectoryWatcher.Seen {
        guard case .namespaceFile(let device, let inode, _) = self else { return self }
        return .namespaceFile(device: device, inode: inode, mountID: 0)
    }
}
