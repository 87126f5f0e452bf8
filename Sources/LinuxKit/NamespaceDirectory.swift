import CLinux
import Glibc
package import SystemPackage

/// The namespace files of one mount directory: what `ip netns add`, `ip netns delete` and `ip netns list` do, as jobs
/// for a ``KernelThread``. Every function blocks.
package struct NamespaceDirectory: Sendable {
    package let directory: MountDirectory
    private let changes: ChangeCounter?

    /// - Parameter changes: What is to count the changes of the namespaces that are looked at.
    package init(_ directory: MountDirectory, changes: ChangeCounter? = nil) {
        self.directory = directory
        self.changes = changes
    }

    /// Where the namespace `name`, any file name, has its file.
    package func path(of name: [UInt8]) -> FilePath {
        directory.path.entry(name)
    }

    /// Makes a network namespace and gives it a name, or leaves nothing behind.
    ///
    /// The file comes after all that is slow or likely to fail, right before the mount, so that others see it empty for
    /// microseconds only, and so that whatever a crash leaves has been announced.
    ///
    /// - Parameters:
    ///   - mountID: What ``MountDirectory/prepare()`` answered.
    ///   - isLikelyFree: Whether nothing is known to have the name, and who has it all the same may cost the unshare.
    ///   - pool: Where one may be that was made in advance.
    ///   - announce: Called with the new namespace's identity before its file appears.
    ///   - withdraw: Called when a step after `announce`, or `announce` itself, failed.
    /// - Throws: `.createFile` with `.fileExists` when the name is taken; `.unshare` as unshare(2) does;
    ///   `.verifyDirectory` when the directory wants preparing again; and what `announce` throws.
    package func create(
        _ name: [UInt8], isLikelyFree: Bool = false, raisingLoopback: Bool, mountID: UInt64,
        from pool: WarmPool? = nil, on thread: inout KernelThread,
        announce: (NamespaceIdentity) throws(SystemError) -> Void, withdraw: () -> Void
    ) throws(SystemError) -> NamespaceStatus {
        let path = path(of: name)
        try directory.verify(mountID: mountID)
        if !isLikelyFree { try refuseTaken(path) }
        if let namespace = pool?.take(up: raisingLoopback) {
            let status = try raiseLoopback(of: namespace, to: raisingLoopback, on: &thread)
            return try publish(namespace.descriptor, status, as: path, announce: announce, withdraw: withdraw)
        }
        let way = thread.way
        let (namespace, status) = try thread.inNewNetworkNamespace { () throws(SystemError) in
            let namespace = try NewNamespace.current(raisingLoopback: raisingLoopback, by: way, isBrief: true)
            let status = try publish(
                namespace.descriptor, namespace.status, as: path, announce: announce, withdraw: withdraw)
            return (namespace, status)
        }
        thread.keep(namespace)
        return status
    }

    private func raiseLoopback(
        of namespace: NewNamespace, to isUp: Bool, on thread: inout KernelThread
    ) throws(SystemError) -> NamespaceStatus {
        guard isUp, !namespace.status.isLoopbackUp else { return namespace.status }
        return try thread.inNetworkNamespace(namespace.descriptor, path: CurrentNamespace.path) {
            () throws(SystemError) in try namespace.raisingLoopback()
        }
    }

    /// Gives an existing network namespace a name, or leaves nothing behind; parameters and errors as for
    /// ``create(_:isLikelyFree:raisingLoopback:mountID:from:on:announce:withdraw:)``.
    ///
    /// The namespace is opened first and bound through the descriptor, so that what was looked at is what gets the
    /// name.
    ///
    /// - Parameter pool: What is not to hand out the namespace any more.
    /// - Throws: besides, `.openSource` and `.verifySource` as ``NamespaceSource`` does.
    package func adopt(
        _ source: NamespaceSource, as name: [UInt8], mountID: UInt64, outOf pool: WarmPool? = nil,
        on thread: inout KernelThread, announce: (NamespaceIdentity) throws(SystemError) -> Void, withdraw: () -> Void
    ) throws(SystemError) -> NamespaceStatus {
        let path = path(of: name)
        try directory.verify(mountID: mountID)
        try refuseTaken(path)
        let namespace = try source.open()
        let status = try look(into: namespace, path: source.path, on: &thread)
        pool?.disown(status.identity)
        return try publish(namespace, status, as: path, announce: announce, withdraw: withdraw)
    }

    /// Mounts a namespace on a file made for it, all of it announced before; answers its status with the new mount's
    /// id.
    private func publish(
        _ namespace: borrowing OwnedDescriptor, _ status: NamespaceStatus, as path: FilePath,
        announce: (NamespaceIdentity) throws(SystemError) -> Void, withdraw: () -> Void
    ) throws(SystemError) -> NamespaceStatus {
        do throws(SystemError) {
            try announce(status.identity)
            CrashPoint.recordWritten.pass()
            // The seed truncates and mounts over a file that is there; whose it is we cannot know.
            try FileSystem.makeFile(path, mode: 0o444)
            CrashPoint.fileCreated.pass()
            do throws(SystemError) {
                var status = status
                status.mountID = try mount(namespace, on: path, expecting: status.identity)
                CrashPoint.namespaceMounted.pass()
                return status
            } catch {
                _ = unsafe path.withPlatformString { unsafe clinux_unlink($0) }
                throw error
            }
        } catch {
            withdraw()
            throw error
        }
    }

    /// A cheap look before the costly unshare; the file's exclusive creation is what decides.
    private func refuseTaken(_ path: FilePath) throws(SystemError) {
        do throws(SystemError) {
            _ = try Node.at(path, following: false)
        } catch  where error.errno == .noSuchFileOrDirectory {
            return
        }
        throw SystemError(.createFile, path, errno: .fileExists)
    }

    /// Answers the mount's id.
    private func mount(
        _ namespace: borrowing OwnedDescriptor, on path: FilePath, expecting identity: NamespaceIdentity
    ) throws(SystemError) -> UInt64 {
        if let mountID = moveMount(of: namespace, to: path) { return mountID }
        let source = FilePath("/proc/thread-self/fd/\(namespace.rawValue)")
        try call(.bindMount, path) {
            unsafe source.withPlatformString { source in
                unsafe path.withPlatformString { target in unsafe clinux_bind_mount(source, target, false) }
            }
        }
        do throws(SystemError) {
            let node = try Node.at(path)
            // The device is the one file system's of all namespaces, and of no plain file.
            guard node.inode == identity.inode, node.device == identity.device else {
                throw SystemError(.verifyMount, path, errno: .staleNFSFileHandle)
            }
            return node.mountID
        } catch {
            _ = unsafe path.withPlatformString { unsafe clinux_detach($0) }
            throw error
        }
    }

    /// Mounts by descriptors, where the kernel has that (move_mount(2), Linux 5.2): nothing is looked up in procfs, and
    /// nobody else's mount can be taken for ours. nil says that it was refused; mount(2) will say why.
    private func moveMount(of namespace: borrowing OwnedDescriptor, to path: FilePath) -> UInt64? {
        let descriptor = clinux_open_mount(namespace.rawValue)
        guard descriptor >= 0 else { return nil }
        let mount = OwnedDescriptor(owning: descriptor)
        guard let node = try? Node.of(mount, path: path) else { return nil }
        let result = unsafe path.withPlatformString { unsafe clinux_move_mount(mount.rawValue, $0) }
        return result == 0 ? node.mountID : nil
    }

    /// Makes and drops a namespace: whether one could be created now, and if not, why.
    package func probe(mountID: UInt64, on thread: inout KernelThread) throws(SystemError) {
        try directory.verify(mountID: mountID)
        let way = thread.way
        _ = try thread.inNewNetworkNamespace { () throws(SystemError) in
            try NewNamespace.current(raisingLoopback: false, by: way)
        }
    }

    /// Detaches every mount stacked on the name's file and unlinks it; false says that there was none.
    ///
    /// Processes inside keep the namespace alive, without a name.
    ///
    /// - Throws: `.unlink` with `.resourceBusy` while another mount namespace holds the file (a moment, and on old
    ///   kernels only): try again; with `.isDirectory` or `.notPermitted` for a directory.
    package func remove(_ name: [UInt8]) throws(SystemError) -> Bool {
        let path = path(of: name)
        // Before anything is detached: a directory's mounts are no namespaces of ours to take away.
        try refuseDirectory(name)
        while try detach(path) {}
        CrashPoint.namespaceDetached.pass()
        let existed = try FileSystem.unlink(path)
        CrashPoint.fileUnlinked.pass()
        return existed
    }

    /// Unlinks a file that is no namespace; false says that there is none, or that a namespace is mounted on it by now,
    /// which unlink(2) refuses (EBUSY) and nothing here detaches.
    package func removeStale(_ name: [UInt8]) throws(SystemError) -> Bool {
        try refuseDirectory(name)
        do throws(SystemError) {
            return try FileSystem.unlink(path(of: name))
        } catch  where error.errno == .resourceBusy {
            return false
        }
    }

    /// Throws what ``remove(_:)`` does for a directory.
    package func refuseDirectory(_ name: [UInt8]) throws(SystemError) {
        let path = path(of: name)
        if let node = try? Node.at(path, following: false), node.isDirectory {
            throw SystemError(.unlink, path, errno: .isDirectory)
        }
    }

    /// Detaches the top mount of `path`; false says that there was none.
    private func detach(_ path: FilePath) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try call(.detach, path) { unsafe path.withPlatformString { unsafe clinux_detach($0) } }
            return true
        } catch  where error.errno == .invalidArgument || error.errno == .noSuchFileOrDirectory {
            return false  // umount2(2): EINVAL, not a mount point
        }
    }

    /// What is at a name.
    package enum Entry: Sendable, Equatable {
        case absent
        /// A file that is no network namespace: unmounted, or never mounted.
        case stale
        case namespace(NamespaceStatus)
    }

    /// Looks at a name, and into the namespace it stands for.
    package func inspect(_ name: [UInt8], on thread: inout KernelThread) throws(SystemError) -> Entry {
        let entry = try look(at: path(of: name), on: &thread)
        guard entry == .stale, let changes else { return entry }
        // It may be a symbolic link, and what that leads to comes and goes unnoticed: also before this is counted.
        changes.overlook()
        return try look(at: path(of: name), on: &thread)
    }

    /// Opens the namespace that has the name, as ``OpenNamespace/open(_:)`` does.
    package func open(_ name: [UInt8]) throws(SystemError) -> OpenNamespace { try .open(path(of: name)) }

    private func look(at path: FilePath, on thread: inout KernelThread) throws(SystemError) -> Entry {
        do throws(SystemError) {
            guard try Node.isNamespace(path) else { return .stale }
            // The check above keeps this from opening, and perhaps waking, a device or a FIFO.
            let namespace = try OwnedDescriptor.open(path, O_RDONLY | O_NONBLOCK)
            let rawValue = namespace.rawValue
            guard clinux_is_network_namespace(rawValue) == 1 else { return .stale }
            return .namespace(try look(into: namespace, path: path, on: &thread))
        } catch {
            // What the daemon lacks is no property of the name; anything else that keeps a path from being looked at
            // is.
            let isOurs = [.setns, .socket, .cookie, .readLoopback].contains(error.operation)
            let isShortage = [.tooManyOpenFiles, .tooManyOpenFilesInSystem, .noMemory].contains(error.errno)
            guard !isOurs, !isShortage else { throw error }
            // A symbolic link to nowhere is there, and can be deleted.
            return (try? Node.at(path, following: false)) == nil ? .absent : .stale
        }
    }

    private func look(
        into namespace: borrowing OwnedDescriptor, path: FilePath, on thread: inout KernelThread
    ) throws(SystemError) -> NamespaceStatus {
        let node = try Node.of(namespace, path: path)
        // Before the look, which what happens from now on makes out of date. No mount is what a symbolic link to
        // /proc/PID/ns/net leads to.
        if node.isMountRoot { changes?.hear(of: namespace) } else { changes?.overlook() }
        return try thread.inNetworkNamespace(namespace, path: path) { () throws(SystemError) in
            try CurrentNamespace.status(of: node)
        }
    }
}
