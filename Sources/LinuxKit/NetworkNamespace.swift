import CLinux
import Glibc
import SystemPackage

/// What tells one network namespace from another.
package struct NamespaceIdentity: Sendable, Hashable {
    /// `st_dev` of the namespace file; with ``inode``, what `/proc/PID/ns/net` and `ip netns identify` compare.
    package let device: UInt64
    /// `st_ino` of the namespace file. The kernel reuses the number once the namespace is gone.
    package let inode: UInt64
    /// `SO_NETNS_COOKIE`: never reused while the host is up; nil before Linux 5.14.
    package let cookie: UInt64?

    package init(device: UInt64, inode: UInt64, cookie: UInt64?) {
        self.device = device
        self.inode = inode
        self.cookie = cookie
    }

    /// Whether both are of one namespace. The cookies decide where the kernel has them, because inode numbers are
    /// reused.
    package func isSame(as other: NamespaceIdentity) -> Bool {
        if let cookie, let otherCookie = other.cookie { return cookie == otherCookie }
        return device == other.device && inode == other.inode
    }
}

/// A namespace as seen from inside, what it is and whether its loopback interface is up, and the mount that names it.
package struct NamespaceStatus: Sendable, Equatable {
    package let identity: NamespaceIdentity
    package let isLoopbackUp: Bool
    /// The id of the mount it was seen through; see ``Node/mountID``. Tells a name that was deleted and made again from
    /// one that was left alone, even where the inode number is the same.
    package var mountID: UInt64

    package init(identity: NamespaceIdentity, isLoopbackUp: Bool, mountID: UInt64) {
        self.identity = identity
        self.isLoopbackUp = isLoopbackUp
        self.mountID = mountID
    }
}

/// Looks at, and changes, the network namespace the calling thread is in.
enum CurrentNamespace {
    /// Where the kernel shows the calling thread's namespace. Not `/proc/self`: that is the main thread's.
    static let path: FilePath = "/proc/thread-self/ns/net"

    /// Raises the loopback interface if asked to, and answers what the namespace is then.
    static func status(raisingLoopback: Bool = false) throws(SystemError) -> NamespaceStatus {
        try status(of: try Node.at(path), raisingLoopback: raisingLoopback)
    }

    /// The same, of a namespace whose file is known already: looking it up in procfs is the dearest part.
    static func status(of node: Node, raisingLoopback: Bool = false) throws(SystemError) -> NamespaceStatus {
        let socket = OwnedDescriptor(owning: try call(.socket) { clinux_control_socket() })
        if raisingLoopback { try call(.raiseLoopback) { clinux_loopback_raise(socket.rawValue) } }
        return NamespaceStatus(
            identity: NamespaceIdentity(device: node.device, inode: node.inode, cookie: try cookie(socket)),
            isLoopbackUp: try call(.readLoopback) { clinux_loopback_is_up(socket.rawValue) } != 0, mountID: node.mountID
        )
    }

    private static func cookie(_ socket: borrowing OwnedDescriptor) throws(SystemError) -> UInt64? {
        var cookie: UInt64 = 0
        let rawValue = socket.rawValue
        do throws(SystemError) {
            try call(.cookie) { unsafe clinux_network_cookie(rawValue, &cookie) }
            return cookie
        } catch  where error.errno.rawValue == ENOPROTOOPT {
            return nil  // before Linux 5.14
        }
    }
}
