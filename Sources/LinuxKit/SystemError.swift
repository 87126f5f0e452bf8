package import SystemPackage

/// A failed system call: what was attempted, on which path, and the kernel's answer.
package struct SystemError: Error, Equatable {
    /// What was attempted, named after the system call.
    package enum Operation: String, Sendable {
        case open
        case read
        case write
        case flock
        case stat
        case fsync
        case rename
        case mkdir
        case unlink
        case rmdir
        case chmod = "fchmod"
        /// unlink(2) of a record of ours, not of a namespace's file.
        case removeRecord = "unlink record"
        case statx
        case statfs
        case fstat
        case realpath
        case readdir
        case readlink
        case createFile = "mknod"
        case bindMount = "mount(MS_BIND)"
        case makePrivate = "mount(MS_PRIVATE)"
        case makeShared = "mount(MS_SHARED)"
        case detach = "umount2(MNT_DETACH)"
        /// Opening the namespace that is to be given a name.
        case openSource = "open source"
        /// What was to be given a name is no network namespace.
        case verifySource = "ioctl(NS_GET_NSTYPE)"
        case unshare = "unshare(CLONE_NEWNET)"
        case setns = "setns(CLONE_NEWNET)"
        case socket
        case cookie = "getsockopt(SO_NETNS_COOKIE)"
        /// Opening the namespace that a socket is of.
        case openOfSocket = "ioctl(SIOCGSKNS)"
        case raiseLoopback = "ioctl(SIOCSIFFLAGS)"
        case readLoopback = "ioctl(SIOCGIFFLAGS)"
        /// A bind mount that succeeded, yet what is at the path is not the namespace that was bound.
        case verifyMount = "verify mount"
        /// What is to be entered is no network namespace, or not there.
        case verifyNamespace = "verify namespace"
        /// The mount directory is not the mount it was when it was prepared.
        case verifyDirectory = "verify mount directory"
        case startThread = "pthread_create"
        /// A job for a worker pool that has been stopped.
        case submitJob = "submit job"
        case openNotify = "inotify_init1"
        case openNetlink = "socket(AF_NETLINK)"
        case watch = "inotify_add_watch"
        case openEvent = "eventfd"
        case pipe = "pipe2"
        case memoryFile = "memfd_create"
        case spawn = "posix_spawn"
        case openProcess = "pidfd_open"
        case advise = "madvise"
        case poll
        case wait = "waitpid"
        /// The steps with a file of `/proc/sys/net`.
        case openSysctl = "open sysctl"
        case readSysctl = "read sysctl"
        case writeSysctl = "write sysctl"
        /// The namespace is the one whose settings are the whole host's.
        case verifySysctl = "verify sysctl"
        /// A file of procfs does not have the documented form.
        case parse

        // rtnetlink(7): the messages, and what they are sent for where one serves several.
        case sendNetlink = "sendmsg(AF_NETLINK)"
        case receiveNetlink = "recvmsg(AF_NETLINK)"
        case hearNetlink = "bind(AF_NETLINK)"
        case listLinks = "RTM_GETLINK"
        case addLink = "RTM_NEWLINK create"
        case changeLink = "RTM_NEWLINK change"
        case moveLink = "RTM_NEWLINK move"
        case returnLink = "RTM_NEWLINK return"
        case deleteLink = "RTM_DELLINK"
        case findLink = "ioctl(SIOCGIFINDEX)"
        case makeTun = "ioctl(TUNSETIFF)"
        case listAddresses = "RTM_GETADDR"
        case addAddress = "RTM_NEWADDR"
        case deleteAddress = "RTM_DELADDR"
        case listRoutes = "RTM_GETROUTE"
        case addRoute = "RTM_NEWROUTE"
        case deleteRoute = "RTM_DELROUTE"
        case listNeighbours = "RTM_GETNEIGH"
        case addNeighbour = "RTM_NEWNEIGH"
        case deleteNeighbour = "RTM_DELNEIGH"
        case listRules = "RTM_GETRULE"
        case addRule = "RTM_NEWRULE"
        case deleteRule = "RTM_DELRULE"
        case listQueueDisciplines = "RTM_GETQDISC"
        case addQueueDiscipline = "RTM_NEWQDISC"
        case deleteQueueDiscipline = "RTM_DELQDISC"
        case findNamespaceID = "RTM_GETNSID"
        case assignNamespaceID = "RTM_NEWNSID"
    }

    package let operation: Operation
    package let path: FilePath?
    package let errno: Errno
    /// What the kernel itself says about it, where it does: netlink's extended acknowledgement.
    package let explanation: String?

    package init(_ operation: Operation, _ path: FilePath? = nil, errno: Errno, explanation: String? = nil) {
        self.operation = operation
        self.path = path
        self.errno = errno
        self.explanation = explanation
    }
}

extension SystemError: CustomStringConvertible {
    package var description: String {
        let target = path.map { " \($0)" } ?? ""
        let words = explanation.map { ": \($0)" } ?? ""
        return "\(operation.rawValue)\(target): \(errno) (errno \(errno.rawValue))\(words)"
    }
}

/// Runs a `clinux_` function, which answers minus the errno, until it is not interrupted.
@discardableResult
func call(
    _ operation: SystemError.Operation, _ path: FilePath? = nil, _ body: () -> CInt
) throws(SystemError) -> CInt {
    while true {
        let result = body()
        if result >= 0 { return result }
        let errno = Errno(rawValue: -result)
        if errno != .interrupted { throw SystemError(operation, path, errno: errno) }
    }
}
