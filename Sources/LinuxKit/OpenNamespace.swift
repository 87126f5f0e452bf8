package import SystemPackage

/// A network namespace that has a name in the mount directory, held open: it stays this one whatever becomes of the name.
package final class OpenNamespace: Sendable {
    package let descriptor: OwnedDescriptor
    /// What it was opened by, for errors.
    package let path: FilePath
    /// The node of the namespace's file.
    package let node: Node

    init(_ descriptor: consuming OwnedDescriptor, path: FilePath, node: Node) {
        self.descriptor = descriptor
        self.path = path
        self.node = node
    }
}

extension KernelThread {
    /// Moves this thread into the namespace, runs `body` there, and moves back.
    package mutating func inside<Result>(
        _ namespace: OpenNamespace, _ body: () throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        try inNetworkNamespace(namespace.descriptor, path: namespace.path, body)
    }
}
