package import SystemPackage

/// How the mounts made in a directory spread to other mount namespaces (mount_namespaces(7)).
package struct Propagation: Sendable, Equatable {
    /// The directory's own propagation type.
    package enum Kind: String, Sendable {
        case shared
        case slave
        case `private`
        /// The directory is no mount point yet.
        case unmounted
    }

    package let kind: Kind
    /// Whether process 1 sees what is mounted in the directory; nil when its mounts cannot be read.
    package let isVisibleToHost: Bool?

    package init(kind: Kind, isVisibleToHost: Bool?) {
        self.kind = kind
        self.isVisibleToHost = isVisibleToHost
    }

    /// Reads how mounts in `path`, a resolved path, spread.
    package static func of(_ path: FilePath) throws(SystemError) -> Propagation {
        let host: MountInfo?
        do throws(SystemError) {
            host = try MountInfo.read(process: "1")
        } catch {
            host = nil
        }
        return Propagation(of: path, own: try MountInfo.read(), host: host)
    }

    /// Compares our mounts with those of process 1.
    ///
    /// `/proc/1/ns/mnt` would tell at once, but needs more rights than mountinfo does. Every mount namespace has
    /// mounts, and so mount ids, of its own: the same first mount is the same namespace.
    package init(of path: FilePath, own: MountInfo, host: MountInfo?) {
        let mount = own.mounts(of: path).last
        kind =
            switch mount {
            case nil: .unmounted
            case let mount? where mount.peerGroup != nil: .shared
            case let mount? where mount.masterPeerGroup != nil: .slave
            default: .private
            }
        guard let host, let first = host.mounts.first?.id else {
            isVisibleToHost = nil
            return
        }
        let isSameNamespace = own.mounts.contains { $0.id == first }
        let isPeerOfHost = mount?.peerGroup.map { group in host.mounts.contains { $0.peerGroup == group } } ?? false
        isVisibleToHost = isSameNamespace || isPeerOfHost
    }
}
