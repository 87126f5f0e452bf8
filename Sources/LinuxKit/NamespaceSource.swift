import CLinux
import Glibc
package import SystemPackage

/// An existing network namespace to give a name to, as `ip netns attach` does.
package struct NamespaceSource: Sendable, Hashable {
    /// Where the namespace is found.
    package let path: FilePath
    /// Whether it was asked for by a process's number.
    package let isOfProcess: Bool
    /// Whether links are followed: in procfs alone, whose magic links are no paths.
    private let followsLinks: Bool

    /// The namespace of a process's main thread.
    package static func process(_ process: Int32) -> NamespaceSource {
        NamespaceSource(path: FilePath("/proc/\(process)/ns/net"), isOfProcess: true, followsLinks: true)
    }

    /// One that a path leads to: a file of procfs, or a name in the mount directory. nil for any other path: nothing
    /// below `/proc/PID/root` or the like is taken, it could be any file.
    ///
    /// - Parameter directory: The mount directory. `/run/netns` may be spelt `/var/run/netns` too.
    package init?(path: String, directory: String) {
        // By bytes: characters can be longer, and can combine with what stands before them.
        let parts = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let name = Array(parts.last ?? path.utf8[...])
        let parent = path.utf8.dropLast(name.count + 1)
        let isInDirectory =
            parent.elementsEqual(directory.utf8)
            || directory == "/run/netns" && parent.elementsEqual("/var/run/netns".utf8)
        let isName =
            (1...Int(NAME_MAX)).contains(name.count) && !name.contains(0) && !name.elementsEqual(".".utf8)
            && !name.elementsEqual("..".utf8)
        guard Self.isProcessPath(parts) || isInDirectory && isName else { return nil }
        self.init(path: FilePath(path), isOfProcess: false, followsLinks: !isInDirectory)
    }

    private init(path: FilePath, isOfProcess: Bool, followsLinks: Bool) {
        self.path = path
        self.isOfProcess = isOfProcess
        self.followsLinks = followsLinks
    }

    /// The forms of a path that are taken, in words for a person.
    package static let pathRule =
        "/proc/PID/ns/net, /proc/PID/task/TID/ns/net, /proc/PID/fd/N, or a name in the mount directory"

    private static func isProcessPath(_ bytes: [Substring.UTF8View]) -> Bool {
        let parts = bytes.map { String(Substring($0)) }
        guard parts.count >= 4, parts[0].isEmpty, parts[1] == "proc", isNumber(parts[2]) else { return false }
        return switch parts.count {
        case 5: parts[3] == "ns" && parts[4] == "net" || parts[3] == "fd" && isNumber(parts[4])
        case 7: parts[3] == "task" && isNumber(parts[4]) && parts[5] == "ns" && parts[6] == "net"
        default: false
        }
    }

    private static func isNumber(_ text: String) -> Bool {
        (1...10).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    /// Opens the namespace without touching anything that is none: whatever the path leads to by now, a FIFO or a
    /// device is not opened but looked at through an `O_PATH` descriptor (open(2)) first.
    ///
    /// - Throws: `.openSource` with `.noSuchFileOrDirectory` or `.noSuchProcess` when there is nothing; `.verifySource`
    ///   with `.invalidArgument` when it is no network namespace.
    func open() throws(SystemError) -> OwnedDescriptor {
        let handle = try OwnedDescriptor.open(path, clinux_o_path | (followsLinks ? 0 : O_NOFOLLOW), as: .openSource)
        let ours = FilePath("/proc/thread-self/fd/\(handle.rawValue)")
        guard try Node.isNamespace(ours) else { throw SystemError(.verifySource, path, errno: .invalidArgument) }
        let namespace = try OwnedDescriptor.open(ours, O_RDONLY, as: .openSource)
        let rawValue = namespace.rawValue
        guard clinux_is_network_namespace(rawValue) == 1 else {
            throw SystemError(.verifySource, path, errno: .invalidArgument)
        }
        return namespace
    }
}
