import CLinux
import Glibc
package import SystemPackage

/// An existing network namespace to give a name to, as `ip netns attach` does.
package enum NamespaceSource: Sendable, Equatable {
    /// The namespace of a process's main thread.
    case process(Int32)
    /// One that a path leads to: a file of procfs, or another name in the mount directory.
    case path(FilePath)

    /// Where the namespace is found.
    package var path: FilePath {
        switch self {
        case .process(let process): FilePath("/proc/\(process)/ns/net")
        case .path(let path): path
        }
    }

    /// The forms of a path that are taken, in words for a person.
    package static let pathRule =
        "/proc/PID/ns/net, /proc/PID/task/TID/ns/net, /proc/PID/fd/N, or a name in the mount directory"

    /// Whether a path has one of the forms of procfs, by its text alone. Nothing below `/proc/PID/root` or the like is
    /// taken: that could be any file.
    package static func isProcessPath(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 4, parts[0] == "", parts[1] == "proc", isNumber(parts[2]) else { return false }
        return switch parts.count {
        case 5: parts[3] == "ns" && parts[4] == "net" || parts[3] == "fd" && isNumber(parts[4])
        case 7: parts[3] == "task" && isNumber(parts[4]) && parts[5] == "ns" && parts[6] == "net"
        default: false
        }
    }

    private static func isNumber(_ text: Substring) -> Bool {
        (1...10).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    /// Opens the namespace without touching anything that is none: whatever the path leads to by now, a FIFO or a device
    /// is not opened but looked at through an `O_PATH` descriptor (open(2)) first.
    ///
    /// - Throws: `.openSource` with `.noSuchFileOrDirectory` or `.noSuchProcess` when there is nothing; `.verifySource`
    ///   with `.invalidArgument` when it is no network namespace.
    func open() throws(SystemError) -> OwnedDescriptor {
        // Links are followed in procfs alone, whose magic links are no paths.
        let follow = if case .path(let path) = self, !Self.isProcessPath(path.string) { O_NOFOLLOW } else { CInt(0) }
        let handle = try OwnedDescriptor.open(path, clinux_o_path | follow, as: .openSource)
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
