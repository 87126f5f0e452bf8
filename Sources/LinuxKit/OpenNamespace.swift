import CLinux
import Glibc
package import SystemPackage

/// A network namespace that has a name in the mount directory, held open: it stays this one whatever becomes of the
/// name.
package final class OpenNamespace: Sendable {
    package let descriptor: OwnedDescriptor
    /// What it was opened by, for errors.
    package let path: FilePath
    /// The node of the namespace's file.
    package let node: Node

    private init(_ descriptor: consuming OwnedDescriptor, path: FilePath) throws(SystemError) {
        node = try Node.of(descriptor, path: path)
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens the namespace that is mounted at `path`.
    ///
    /// - Throws: `.verifyNamespace` with `.noSuchFileOrDirectory` when nothing is there, with `.invalidArgument` when
    ///   what is there is no network namespace.
    package static func open(_ path: FilePath) throws(SystemError) -> OpenNamespace {
        do throws(SystemError) {
            // Before it is opened, which might wake a device or a FIFO.
            guard try Node.isNamespace(path) else {
                throw SystemError(.verifyNamespace, path, errno: .invalidArgument)
            }
        } catch  where error.errno == .noSuchFileOrDirectory {
            throw SystemError(.verifyNamespace, path, errno: .noSuchFileOrDirectory)
        }
        let descriptor = try OwnedDescriptor.open(path, O_RDONLY | O_NONBLOCK)
        let rawValue = descriptor.rawValue
        guard clinux_is_network_namespace(rawValue) == 1 else {
            throw SystemError(.verifyNamespace, path, errno: .invalidArgument)
        }
        return try OpenNamespace(descriptor, path: path)
    }

    /// Opens another name in the same directory, as ``open(_:)`` does.
    package func openSibling(_ name: [UInt8]) throws(SystemError) -> OpenNamespace {
        try Self.open(path.removingLastComponent().entry(name))
    }

    /// Opens the namespace that the calling thread is in.
    fileprivate static func current() throws(SystemError) -> OpenNamespace {
        try OpenNamespace(try OwnedDescriptor.open(CurrentNamespace.path, O_RDONLY), path: CurrentNamespace.path)
    }
}

extension KernelThread {
    /// Moves this thread into the namespace, runs `body` there, and moves back.
    package mutating func inside<Result>(
        _ namespace: OpenNamespace, _ body: () throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        try inNetworkNamespace(namespace.descriptor, path: namespace.path, body)
    }

    /// Opens the namespace that the thread is to return to after each job: the daemon's own.
    package func openHome() throws(SystemError) -> OpenNamespace {
        guard isHome else { throw SystemError(.setns, errno: .notPermitted) }
        return try .current()
    }
}
