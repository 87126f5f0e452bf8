import CLinux
import Glibc
import Synchronization
import SystemPackage

/// Tells, for the price of one epoll_wait(2), whether anything of what a look at a mount directory shows can have changed
/// since another look: names, mounts and links. Nobody need look again while it has not.
///
/// Names are watched with inotify(7), mounts with the mountinfo file of proc(5), and links by rtnetlink(7) with
/// `NETLINK_LISTEN_ALL_NSID`. All three know of a change before the system call that makes it returns, so that whoever
/// has seen a change is never told of the time before it. The kernel passes on what happens in a namespace only if that
/// has an id in ours, which ``hear(of:)`` gives it, and if we have `CAP_NET_BROADCAST`. Remaining hazard: the
/// directory's parents may be renamed unnoticed; what is remembered must be let go of after a while in any case.
package final class ChangeCounter: Sendable {
    private struct State: ~Copyable {
        var watch: DirectoryWatch
        /// All that tells of changes.
        let news: OwnedDescriptor
        var isWatching = false
        var count: UInt64 = 0
    }

    private let path: FilePath
    private let mounts: OwnedDescriptor
    /// Hears of links.
    private let links: OwnedDescriptor
    /// Gives ids.
    private let identifier: Mutex<OwnedDescriptor>
    /// Whether a namespace could not be given an id, and so changes go unnoticed.
    private let isDeaf: Atomic<Bool>
    private let state: Mutex<State>

    /// Counts from now on; call it in the namespace that the workers call home.
    package init(_ directory: MountDirectory) throws(SystemError) {
        path = directory.path
        let mounts = try OwnedDescriptor.open("/proc/self/mountinfo", O_RDONLY)
        let links = OwnedDescriptor(owning: try call(.openNetlink) { clinux_rtnetlink_open() })
        let rawValue = links.rawValue
        try call(.openNetlink) { clinux_rtnetlink_hear_links(rawValue) }
        let watch = try DirectoryWatch()
        let (notify, mountinfo) = (watch.rawValue, mounts.rawValue)
        let news = OwnedDescriptor(owning: try call(.poll) { clinux_watch_set(rawValue, notify, mountinfo) })
        state = Mutex(State(watch: watch, news: news))
        self.mounts = mounts
        self.links = links
        identifier = Mutex(OwnedDescriptor(owning: try call(.openNetlink) { clinux_rtnetlink_open() }))
        isDeaf = Atomic(try !Capability.effective().contains(.networkBroadcast))
    }

    /// Another number after each change, also after some that change nothing of the directory's; nil while changes may
    /// go unnoticed. Does not block.
    package var count: UInt64? {
        guard !isDeaf.load(ordering: .relaxed) else { return nil }
        // Under one lock: the set tells of a mount once only, and nobody may find all quiet before that is counted.
        return state.withLock { state in
            let woken = clinux_watch_set_has_news(state.news.rawValue)
            guard woken != 0 || !state.isWatching else { return state.count }
            state.count += 1
            clinux_rtnetlink_discard(links.rawValue)
            _ = state.watch.takeChanges()
            // The directory may be another one by now, or not be there, and is asked for again each time then.
            state.isWatching = (try? state.watch.follow(path)) != nil
            return state.isWatching && woken >= 0 ? state.count : nil
        }
    }

    /// Has nothing remembered of what is being looked at, which may change without being counted.
    func overlook() { state.withLock { $0.count += 1 } }

    /// Has the links of a namespace count from now on. Blocks, though not for long.
    func hear(of namespace: borrowing OwnedDescriptor) {
        let rawValue = namespace.rawValue
        let result = identifier.withLock { clinux_rtnetlink_identify($0.rawValue, rawValue) }
        if result < 0 { isDeaf.store(true, ordering: .relaxed) }
    }
}
