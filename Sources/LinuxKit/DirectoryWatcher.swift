/// Notices what anyone, this process included, does to the names of a mount directory, on one plain thread of its own.
///
/// Problem: inotify(7) tells of files that come and go, not of mounts on them, and what the kernel tells of mounts is
/// only that some mount changed. Rule: a named entry is looked at alone, a changed mount table makes the thread look at
/// all of them, at a bounded share of one core. Remaining hazard: a directory that is replaced, by renaming a parent
/// and with no mount involved, is noticed at the next change of any mount.
package final class DirectoryWatcher: Sendable {
    /// What was at a name. By the time it is read it may no longer be so: an observation says where to look again.
    package struct Observation: Sendable, Equatable {
        package let name: [UInt8]
        package let seen: Seen

        package init(name: [UInt8], seen: Seen) {
            self.name = name
            self.seen = seen
        }
    }

    /// What a name can be.
    package enum Seen: Sendable, Equatable {
        case absent
        /// A file, a directory, a link to nowhere: anything that is no namespace. It has been so for
        /// ``WatchLoop/settlingTime``, so a name between its file's creation and the mount is not reported as this.
        case plain
        /// A namespace of any kind, mounted on the name or linked to by it; the mount's id as in ``Node/mountID``.
        case namespaceFile(device: UInt64, inode: UInt64, mountID: UInt64)
    }

    /// What the watcher tells.
    package enum Report: Sendable, Equatable {
        /// What is at these names, something having happened to them.
        case changed([Observation])
        /// What is at every name; one that is not listed is absent. A missing directory has no names. A name that is
        /// deleted and made again meanwhile may be listed twice, of which the later counts.
        case swept([Observation])
        /// The directory could not be watched or read. Said once a failure; a sweep says that it has passed.
        case failed(SystemError)
    }

    private let thread: WakeableThread

    /// Starts the thread, which watches the directory, then reports a sweep of it, then what changes.
    ///
    /// Call ``stop()`` before letting go, if only to know when `report` has been called for the last time.
    ///
    /// - Parameter report: Called on the watcher's thread. It must not block, nor call ``stop()``.
    /// - Throws: `.openNotify` with `.tooManyOpenFiles` (`fs.inotify.max_user_instances`); `.startThread`.
    package init(
        _ directory: MountDirectory, report: @escaping @Sendable (Report) -> Void
    ) throws(SystemError) {
        let wakeUp = try WakeUp()
        let loop = try WatchLoop(directory.path, wakeUp: wakeUp, report: report)
        thread = try WakeableThread("netnsd-watch", wakeUp: wakeUp) { loop.run() }
    }

    /// Ends the thread and waits for it, for no longer than a sweep takes; nothing is reported afterwards.
    package func stop() { thread.stop() }
}
