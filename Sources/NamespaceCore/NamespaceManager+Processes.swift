package import LinuxKit
import SystemPackage

/// Where a process is.
package struct ProcessLocation: Sendable {
    package let process: Int32
    package let device: UInt64
    package let inode: UInt64
    /// The names in the directory that stand for its namespace; none for the host's, for instance.
    package let names: [NamespaceName]
}

extension NamespaceManager {
    /// The processes inside a namespace.
    ///
    /// - Throws: `.notFound`, `.inspectionForbidden`, `.stale`.
    package func processes(
        in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> [ProcessDetail] {
        let namespace = try await namespace(name)
        try authority.check(.inspect, on: namespace)
        guard let identity = namespace.status?.identity else { throw Self.stale }
        do throws(SystemError) {
            return try await kernel.processDetails(in: identity)
        } catch {
            throw NamespaceError(error)
        }
    }

    /// Which namespace a process is in, named or not.
    ///
    /// - Throws: `.processNotFound`.
    package func location(of process: Int32) async throws(NamespaceError) -> ProcessLocation {
        try await takeInChanges()
        let (device, inode): (UInt64, UInt64)
        do throws(SystemError) {
            (device, inode) = try await kernel.networkNamespace(of: process)
        } catch  where error.errno == .noSuchFileOrDirectory || error.errno == .noSuchProcess {
            throw NamespaceError(.processNotFound, "There is no process of this id.", cause: error)
        } catch {
            throw NamespaceError(error)
        }
        let names = index.names.filter { name in
            if case .namespace(device, inode, _)? = index[name] { true } else { false }
        }
        return ProcessLocation(process: process, device: device, inode: inode, names: names)
    }
}
