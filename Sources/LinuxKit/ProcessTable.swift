import Glibc
import SystemPackage

/// Processes and the network namespaces they are in, as `ip netns pids` and lsns(8) read them from procfs.
package enum ProcessTable {
    /// The processes of which at least one thread is in the namespace `inode`, in ascending order, this one left out:
    /// its workers only visit.
    ///
    /// Needs `CAP_SYS_PTRACE` to see other users' processes; those that may not be read are left out.
    package static func processes(inNetworkNamespace inode: UInt64) throws(SystemError) -> [Int32] {
        try processes(inNetworkNamespaces: [inode])[inode] ?? []
    }

    /// The same for several namespaces, by one look at all processes; none for one that nobody is in.
    package static func processes(
        inNetworkNamespaces inodes: Set<UInt64>
    ) throws(SystemError) -> [UInt64: [Int32]] {
        let own = getpid()
        var processes: [UInt64: [Int32]] = [:]
        let links = Dictionary(uniqueKeysWithValues: inodes.map { (link(toNetworkNamespace: $0), $0) })
        for process in try identifiers(in: "/proc").sorted() where process != own {
            let inside = Set(try threads(of: process).compactMap { networkNamespace(of: $0).flatMap { links[$0] } })
            for inode in inside { processes[inode, default: []].append(process) }
        }
        return processes
    }

    /// How many network namespaces have a mount or a process: those that lsns(8) shows. A namespace that only an open
    /// descriptor or a socket keeps alive is not counted.
    package static func networkNamespacesInUse(mounts: MountInfo) throws(SystemError) -> Int {
        var links = Set<[UInt8]>()
        let prefix = Array("net:[".utf8)
        for mount in mounts.mounts where mount.fileSystemType.elementsEqual("nsfs".utf8) {
            if mount.root.starts(with: prefix) { links.insert(mount.root) }
        }
        for process in try identifiers(in: "/proc") {
            if let link = networkNamespace(of: FilePath("/proc/\(process)")) { links.insert(link) }
        }
        return links.count
    }

    /// What readlink(2) answers for `/proc/PID/ns/net` of a process inside.
    static func link(toNetworkNamespace inode: UInt64) -> [UInt8] {
        Array("net:[\(inode)]".utf8)
    }

    /// Whether a thread of `process` is in the namespace that `link`, such as `net:[4026531833]`, stands for.
    static func isInside(_ process: Int32, _ link: [UInt8]) throws(SystemError) -> Bool {
        try threads(of: process).contains { networkNamespace(of: $0) == link }
    }

    private static func threads(of process: Int32) throws(SystemError) -> [FilePath] {
        let tasks = FilePath("/proc/\(process)/task")
        do throws(SystemError) {
            return try identifiers(in: tasks).map { FilePath("\(tasks)/\($0)") }
        } catch  where [.noSuchFileOrDirectory, .noSuchProcess].contains(error.errno) {
            return []  // A process that ends while we look is in no namespace.
        }
    }

    private static func networkNamespace(of process: FilePath) -> [UInt8]? {
        try? FileSystem.readLink(process.appending("ns/net"))
    }

    private static func identifiers(in directory: FilePath) throws(SystemError) -> [Int32] {
        try FileSystem.names(in: directory).compactMap { Int32(String(decoding: $0, as: UTF8.self)) }
    }
}
