import Synchronization
import SystemPackage

/// What has happened to the names of a mount directory since it was last asked, for whoever must not be a moment
/// behind, as ``DirectoryWatcher`` is.
package final class DirectoryChanges: Sendable {
    private let path: FilePath
    private let namespaceDevice: UInt64
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var watch: DirectoryWatch
        /// Whether something was taken from the watch, or the directory was found to be another one, and nobody was told.
        var isBehind = false
    }

    /// - Throws: `.openNotify` with `.tooManyOpenFiles` (`fs.inotify.max_user_instances`).
    package init(_ directory: MountDirectory) throws(SystemError) {
        path = directory.path
        namespaceDevice = try Node.at(CurrentNamespace.path).device
        state = Mutex(State(watch: try DirectoryWatch()))
    }

    /// Looks at every name that has come or gone, or, at the first call and where the kernel lost count, at every name
    /// there is. Does not wait for what is about to be finished.
    ///
    /// - Throws: Of what is missed by a call that fails the next one tells.
    package func take() throws(SystemError) -> DirectoryWatcher.Report {
        try state.withLock { state throws(SystemError) in
            do throws(SystemError) {
                // Again each time: a mount over the directory, or a new one of its name, tells the old watch nothing.
                let isSame = try state.watch.follow(path)
                let changes = state.watch.takeChanges()
                if !isSame || changes.areIncomplete { state.isBehind = true }
                if !state.isBehind, changes.names.isEmpty { return .changed([]) }
                let mustSweep = state.isBehind
                state.isBehind = true
                var directory = try DirectoryView(path, namespaceDevice: namespaceDevice)
                let report: DirectoryWatcher.Report =
                    mustSweep
                    ? .swept(try directory.lookAtAll(expecting: 0))
                    : .changed(changes.names.map { .init(name: $0, seen: directory.look(at: $0)) })
                state.isBehind = false
                return report
            } catch  where error.errno == .noSuchFileOrDirectory {
                return .swept([])  // Removed under us; the next create sets it up again.
            }
        }
    }
}
