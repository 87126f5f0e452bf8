import CLinux
import Glibc
import SystemPackage

/// What the watcher's thread does, and all that only this thread touches.
final class WatchLoop {
    private typealias Clock = ContinuousClock

    /// How long a change is left alone before it is looked at, so that a burst is one report, and what is made in steps
    /// is seen finished: from a file to the mount on it is less than a millisecond.
    static let settlingTime = Duration.milliseconds(15)
    /// How long to wait between attempts while the directory is missing or cannot be watched.
    private static let retryTime = Duration.milliseconds(200)
    /// The shortest rest between two sweeps.
    private static let shortestRest = Duration.milliseconds(40)
    /// How many times the processor's time of a sweep the rest after it is: it takes a hundredth of a core at most.
    /// It keeps requests from the processor, and has little to tell: a name that comes or goes is looked at alone, and
    /// whoever asks for a name or a page is told what is so now.
    private static let restFactor = 100

    /// How the last sweep went.
    private enum Condition: Equatable {
        case watched
        case missing
        case failed(SystemError)
    }

    private let path: FilePath
    private let report: @Sendable (DirectoryWatcher.Report) -> Void
    private let wakeUp: WakeUp
    private let mounts: OwnedDescriptor
    private let namespaceDevice: UInt64
    private var watch: DirectoryWatch
    private var condition: Condition?
    /// How many names the last sweep found.
    private var count = 0
    /// When to sweep next, nil while nothing asks for it.
    private var sweepAt: Clock.Instant?
    /// No sweep begins before this.
    private var restUntil = Clock.now
    /// The names that have been reported as plain: only a new one is given time to become something else.
    private var plain: Set<[UInt8]> = []

    init(
        _ path: FilePath, wakeUp: WakeUp, report: @escaping @Sendable (DirectoryWatcher.Report) -> Void
    ) throws(SystemError) {
        self.path = path
        self.wakeUp = wakeUp
        self.report = report
        mounts = try OwnedDescriptor.open("/proc/self/mountinfo", O_RDONLY)
        namespaceDevice = try Node.at(CurrentNamespace.path).device
        watch = try DirectoryWatch()
    }

    /// Watches, sweeps and reports until woken up for good.
    func run() {
        sweepAt = Clock.now
        while true {
            if let sweepAt, sweepAt <= Clock.now {
                guard sweep() else { return }
                continue
            }
            // A table that is to be read anyway need not wake us at each of its changes.
            let isSweepCertain = sweepAt != nil && condition == .watched
            let woken = wait(until: sweepAt, entries: true, mounts: !isSweepCertain)
            if woken & CLINUX_WOKEN_BY_EVENT != 0 { return }
            if woken & CLINUX_WOKEN_BY_MOUNTS != 0 { askForSweep() }
            if woken & CLINUX_WOKEN_BY_NOTIFY != 0 {
                guard pause(), lookAtChanged() else { return }
            }
        }
    }

    private func askForSweep() {
        let earliest = max(Clock.now + Self.settlingTime, restUntil)
        sweepAt = min(sweepAt ?? earliest, earliest)
    }

    /// Looks at the names that inotify told of; false says that the thread is to end.
    private func lookAtChanged() -> Bool {
        let changes = watch.takeChanges()
        if changes.areIncomplete { askForSweep() }
        guard !changes.names.isEmpty else { return true }
        guard let found = try? look(at: changes.names) else {
            askForSweep()
            return true
        }
        guard let settled = settled(found) else { return false }
        for observation in settled {
            if observation.seen == .plain {
                plain.insert(observation.name)
            } else {
                plain.remove(observation.name)
            }
        }
        report(.changed(settled))
        return true
    }

    /// Looks at every name; false says that the thread is to end.
    private func sweep() -> Bool {
        let start = SystemTime.threadProcessor
        sweepAt = nil
        // What has happened up to here the sweep will see; what happens from here on wakes us afterwards.
        _ = wait(until: Clock.now, entries: false, mounts: true)
        _ = watch.takeChanges()
        var found: [DirectoryWatcher.Observation] = []
        let result: Condition
        do throws(SystemError) {
            try watch.follow(path)
            var directory = try DirectoryView(path, namespaceDevice: namespaceDevice)
            found = try directory.lookAtAll(expecting: count)
            count = found.count
            result = .watched
        } catch  where [.noSuchFileOrDirectory, .notDirectory].contains(error.errno) {
            result = .missing
        } catch {
            result = .failed(error)
        }
        let end = Clock.now
        restUntil = end + max(Self.shortestRest, (SystemTime.threadProcessor - start) * Self.restFactor)
        if result != .watched { sweepAt = end + Self.retryTime }
        defer { condition = result }
        switch result {
        case .watched:
            guard let settled = settled(found) else { return false }
            let present = settled.filter { $0.seen != .absent }
            plain = Set(present.lazy.filter { $0.seen == .plain }.map(\.name))
            report(.swept(present))
        case .missing where condition != .missing:
            plain = []
            report(.swept([]))
        case .failed(let error) where condition != result:
            report(.failed(error))
        case .missing, .failed:
            break
        }
        return true
    }

    /// Looks again at what has newly become plain, after a while; nil says that the thread is to end.
    private func settled(_ found: [DirectoryWatcher.Observation]) -> [DirectoryWatcher.Observation]? {
        let fresh = found.indices.filter { found[$0].seen == .plain && !plain.contains(found[$0].name) }
        guard !fresh.isEmpty else { return found }
        guard pause() else { return nil }
        // A directory that is gone by now has woken us for a sweep.
        guard let later = try? look(at: fresh.map { found[$0].name }) else { return found }
        var found = found
        for (index, observation) in zip(fresh, later) { found[index] = observation }
        return found
    }

    /// Looks at names, the directory open for no longer than that.
    private func look(at names: [[UInt8]]) throws(SystemError) -> [DirectoryWatcher.Observation] {
        let directory = try DirectoryView(path, namespaceDevice: namespaceDevice)
        return names.map { DirectoryWatcher.Observation(name: $0, seen: directory.look(at: $0)) }
    }

    /// Lets what was begun be finished; false says that the thread is to end.
    private func pause() -> Bool {
        wait(until: Clock.now + Self.settlingTime, entries: false, mounts: false) == 0
    }

    /// Sleeps until one of the events or the deadline, and answers a set of `CLINUX_WOKEN_BY_`. The wake-up for good
    /// always counts, and stays.
    private func wait(until deadline: Clock.Instant?, entries: Bool, mounts isWoken: Bool) -> CInt {
        while true {
            let result = clinux_wait(
                wakeUp.rawValue, entries ? watch.rawValue : -1, isWoken ? mounts.rawValue : -1,
                deadline.map(Self.milliseconds(until:)) ?? -1)
            // poll(2) of three valid descriptors can only be interrupted.
            if result != -EINTR { return max(result, 0) }
        }
    }

    /// Rounded up, so that the deadline has passed when the sleep ends.
    private static func milliseconds(until deadline: Clock.Instant) -> CInt {
        let left = Clock.now.duration(to: deadline) / .milliseconds(1)
        return CInt(max(0, left.rounded(.up)))
    }
}
