import CLinux
import Glibc
import Synchronization
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

/// Looks at the network namespace the calling thread is in.
enum CurrentNamespace {
    /// Where the kernel shows the calling thread's namespace. Not `/proc/self`: that is the main thread's.
    static let path: FilePath = "/proc/thread-self/ns/net"

    /// A socket to ask by.
    fileprivate static func socket() throws(SystemError) -> OwnedDescriptor {
        OwnedDescriptor(owning: try call(.socket) { clinux_control_socket() })
    }

    /// What the namespace is.
    ///
    /// - Parameter node: The namespace's file: looking it up in procfs is the dearest part.
    static func status(of node: Node) throws(SystemError) -> NamespaceStatus {
        let socket = try socket()
        let isUp = try call(.readLoopback) { clinux_loopback_is_up(socket.rawValue) } != 0
        return try status(node, socket, isLoopbackUp: isUp)
    }

    fileprivate static func status(
        _ node: Node, _ socket: borrowing OwnedDescriptor, isLoopbackUp: Bool
    ) throws(SystemError) -> NamespaceStatus {
        NamespaceStatus(
            identity: NamespaceIdentity(device: node.device, inode: node.inode, cookie: try cookie(socket)),
            isLoopbackUp: isLoopbackUp, mountID: node.mountID)
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

/// The short way to the network namespace that a thread is in and to its cookie, without a socket in it: a descriptor of
/// the thread itself, where the kernel has such (ioctl_pidfd(2), Linux 6.11), and numbers its namespaces (Linux 6.18).
final class ThreadNamespace: Sendable {
    /// What is known of the numbers, for all threads.
    final class Numbers: Sendable {
        /// 0 while that is not known.
        private let verdict = Atomic<Int>(0)

        /// Whether the kernel's number for a namespace is its cookie, which no manual promises.
        fileprivate var areCookies: Bool { verdict.load(ordering: .relaxed) > 0 }

        /// Compares them once, in a namespace that was made like those that it will be relied on in.
        fileprivate func compare(of namespace: borrowing OwnedDescriptor, with cookie: UInt64?) {
            guard verdict.load(ordering: .relaxed) == 0 else { return }
            let isSame = cookie != nil && ThreadNamespace.number(of: namespace) == cookie
            verdict.store(isSame ? 1 : -1, ordering: .relaxed)
        }
    }

    /// The calling thread's; nil where the kernel has none.
    private let thread: OwnedDescriptor?
    fileprivate let numbers: Numbers

    init(_ numbers: Numbers) {
        let descriptor = clinux_own_thread()
        thread = descriptor >= 0 ? OwnedDescriptor(owning: descriptor) : nil
        self.numbers = numbers
    }

    /// The namespace that the calling thread, whose this is, is in now; nil where the long way is to tell, or to fail.
    func open() -> OwnedDescriptor? {
        guard numbers.areCookies else { return nil }
        let descriptor =
            switch thread {
            case let thread?: clinux_network_of_thread(thread.rawValue)
            case nil: CInt(-1)
            }
        return descriptor >= 0 ? OwnedDescriptor(owning: descriptor) : nil
    }

    /// The kernel's number for a namespace; nil where it has none.
    static func number(of namespace: borrowing OwnedDescriptor) -> UInt64? {
        var number: UInt64 = 0
        return unsafe clinux_namespace_id(namespace.rawValue, &number) == 0 ? number : nil
    }
}

/// A network namespace that nobody else has been in; it dies with this, unless it is given a name before.
final class NewNamespace: Sendable {
    let descriptor: OwnedDescriptor
    let status: NamespaceStatus
    /// What it was looked at by: closing that takes a while.
    private let socket: OwnedDescriptor?

    private init(
        _ descriptor: consuming OwnedDescriptor, _ status: NamespaceStatus, _ socket: consuming OwnedDescriptor? = nil
    ) {
        self.descriptor = descriptor
        self.status = status
        self.socket = socket
    }

    /// That which the calling thread has made and is in; its loopback interface is down, and is raised if asked to.
    ///
    /// - Parameters:
    ///   - way: The calling thread's.
    ///   - isBrief: Whether it is not kept, but for the descriptors to be closed at a better moment.
    static func current(
        raisingLoopback: Bool, by way: ThreadNamespace, isBrief: Bool = false
    ) throws(SystemError) -> NewNamespace {
        // What raises the interface leads to the namespace as well.
        if !raisingLoopback, let descriptor = way.open(), let cookie = ThreadNamespace.number(of: descriptor) {
            let node = try Node.of(descriptor, path: CurrentNamespace.path)
            let identity = NamespaceIdentity(device: node.device, inode: node.inode, cookie: cookie)
            return NewNamespace(
                descriptor, NamespaceStatus(identity: identity, isLoopbackUp: false, mountID: node.mountID))
        }
        let socket = try CurrentNamespace.socket()
        if raisingLoopback { try raiseLoopback(by: socket) }
        let descriptor = try open(socket)
        let node = try Node.of(descriptor, path: CurrentNamespace.path)
        let status = try CurrentNamespace.status(node, socket, isLoopbackUp: raisingLoopback)
        way.numbers.compare(of: descriptor, with: status.identity.cookie)
        return isBrief ? NewNamespace(descriptor, status, socket) : NewNamespace(descriptor, status)
    }

    /// Raises its loopback interface, the calling thread being in it, and answers what it is then.
    func raisingLoopback() throws(SystemError) -> NamespaceStatus {
        try Self.raiseLoopback(by: try CurrentNamespace.socket())
        return NamespaceStatus(identity: status.identity, isLoopbackUp: true, mountID: status.mountID)
    }

    private static func raiseLoopback(by socket: borrowing OwnedDescriptor) throws(SystemError) {
        let rawValue = socket.rawValue
        try call(.raiseLoopback) { clinux_new_loopback_raise(rawValue) }
    }

    private static func open(_ socket: borrowing OwnedDescriptor) throws(SystemError) -> OwnedDescriptor {
        let rawValue = socket.rawValue
        do throws(SystemError) {
            return OwnedDescriptor(owning: try call(.openOfSocket) { clinux_network_of(rawValue) })
        } catch  where error.errno == .notPermitted {
            // The socket tells those with CAP_NET_ADMIN alone. procfs tells everybody, and takes longer.
            return try OwnedDescriptor.open(CurrentNamespace.path, O_RDONLY)
        }
    }
}
