import Synchronization
import SystemPackage

/// What has happened to the names of a mount directory since it was last asked, for whoever must not be a moment
/// behind, as ``DirectoryWatcher`` is.
package final class DirectoryChanges: Sendable {
    private let path: FilePath
    private let namespaceDevice: UInt64
    private let watch: Mutex<DirectoryWatch>

    /// - Throws: `.openNotify` with `.tooManyOpenFiles` (`fs.inotify.max_user_instances`).
    package init(_ directory: MountDirectory) throws(SystemError) {
        path = directory.path
        namespaceDevice = try Node.at(CurrentNamespace.path).device
        watch = Mutex(try DirectoryWatch())
    }

    /// Looks at every name that has come or gone, or, at the first call and where the kernel lost count, at every name
    /// there is. Does not wait for what is about to be finished.
    package func take() throws(SystemError) -> DirectoryWatcher.Report {
        try watch.withLock { watch throws(SystemError) in
            do throws(SystemError) {
                // Again each time: a mount over the directory, or a new one of its name, tells the old watch nothing.
                let isSame = try watch.follow(path)
                let changes = watch.takeChanges()
                if isSame, !changes.areIncomplete, changes.names.isEmpty { return .changed([]) }
                var directory = try DirectoryView(path, namespaceDevice: namespaceDevice)
                guard isSame, !changes.areIncomplete else { return .swept(try directory.lookAtAll(expecting: 0)) }
                return .changed(
                    changes.names.map { DirectoryWatcher.Observation(name: $0, seen: directory.look(at: $0)) })
            } catch  where error.errno == .noSuchFileOrDirectory {
                return .swept([])  // Removed under us; the next create sets it up again.
            }
        }
    }
}
