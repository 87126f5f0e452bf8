import CLinux
import Glibc
package import SystemPackage

/// A capability (capabilities(7)) that netnsd needs or gains from.
package enum Capability: String, Sendable, CaseIterable {
    /// unshare(2), setns(2), mount(2), umount2(2)
    case systemAdministration = "CAP_SYS_ADMIN"
    /// Raising the loopback interface of a new namespace
    case networkAdministration = "CAP_NET_ADMIN"
    /// Seeing which namespace other users' processes are in
    case processTracing = "CAP_SYS_PTRACE"
    /// Hearing of links in other namespaces, which need not be looked at again then; see ``ChangeCounter``
    case networkBroadcast = "CAP_NET_BROADCAST"

    private var bit: CInt {
        switch self {
        case .systemAdministration: clinux_capability_sys_admin
        case .networkAdministration: clinux_capability_net_admin
        case .processTracing: clinux_capability_sys_ptrace
        case .networkBroadcast: clinux_capability_net_broadcast
        }
    }

    /// The ones in the calling thread's effective set.
    package static func effective() throws(SystemError) -> Set<Capability> {
        let status = try FileSystem.read("/proc/thread-self/status")
        let line = status.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: Array("CapEff:".utf8)) }
        let digits = String(decoding: line?.dropFirst("CapEff:".utf8.count) ?? [], as: UTF8.self)
        let mask = UInt64(digits.filter { !$0.isWhitespace }, radix: 16) ?? 0
        return Set(allCases.filter { mask & (1 << UInt64($0.bit)) != 0 })
    }
}

/// What an operator needs to know of the host to tell whether, and how many, namespaces can be made.
package struct HostFacts: Sendable {
    package let kernelRelease: String
    package let directory: FilePath
    package let propagation: Propagation
    package let capabilities: Set<Capability>
    /// Entries of the directory, namespaces or not.
    package let entries: Int
    /// See ``ProcessTable/networkNamespacesInUse(mounts:)``; namespaces that only a descriptor holds are not among
    /// them.
    package var namespacesInUse: Int
    /// `user.max_net_namespaces`, per user and user namespace (namespaces(7)).
    package let namespaceLimit: Int?
    /// Mounts in our mount namespace.
    package let mountsInUse: Int
    /// `fs.mount-max`, per mount namespace.
    package let mountLimit: Int?

    /// Reads them all; takes tens of milliseconds on a host with thousands of mounts.
    package static func read(directory: MountDirectory) throws(SystemError) -> HostFacts {
        let mounts = try MountInfo.read()
        return HostFacts(
            kernelRelease: try line(of: "/proc/sys/kernel/osrelease"),
            directory: directory.path,
            propagation: try Propagation.of(directory.path),
            capabilities: try Capability.effective(),
            entries: try FileSystem.names(in: directory.path).count,
            namespacesInUse: try ProcessTable.networkNamespacesInUse(mounts: mounts),
            namespaceLimit: limit("/proc/sys/user/max_net_namespaces"),
            mountsInUse: mounts.mounts.count,
            mountLimit: limit("/proc/sys/fs/mount-max"))
    }

    /// The id of this boot, from random(4).
    package static func bootID() throws(SystemError) -> String {
        try line(of: "/proc/sys/kernel/random/boot_id")
    }

    private static func line(of path: FilePath) throws(SystemError) -> String {
        String(decoding: try FileSystem.read(path).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// nil where the kernel or a container does not show the sysctl.
    private static func limit(_ path: FilePath) -> Int? {
        (try? line(of: path)).flatMap { Int($0) }
    }
}

extension HostFacts {
    /// Whether there is a group of that name (getgrnam(3)).
    package static func hasGroup(_ name: String) -> Bool { unsafe getgrnam(name) != nil }
}
