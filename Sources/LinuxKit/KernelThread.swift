import CLinux
import Glibc
package import SystemPackage

/// A thread that may change its network namespace, because it runs nothing but kernel jobs and is locked to each one.
///
/// Only ``KernelWorkers`` makes these, one a thread, and lends it to a job. Whatever a job does, the thread is back in
/// the daemon's original namespace afterwards, or ``isHome`` is false for ever and the thread must end: a thread in a
/// wrong namespace would make every later namespace, socket and child process wrong in silence.
package struct KernelThread: ~Copyable {
    private let home: HomeNamespace
    /// Whether it is in the namespace that it was started for; if not, it must end.
    package private(set) var isHome: Bool
    /// The short way to the namespace that it is in.
    let way: ThreadNamespace
    /// What it lets go of at the end of its job.
    private var kept: NewNamespace?

    /// Puts the calling thread into `home`, which it may have been started outside of.
    init(home: HomeNamespace) {
        self.home = home
        // setns(2) is for CAP_SYS_ADMIN alone, even where it would change nothing: without it no job gets away, and
        // every thread can stay.
        isHome = home.isHere || home.enter()
        way = ThreadNamespace(home.numbers)
    }

    /// Moves this thread into a network namespace made for the purpose, runs `body` there, and moves back.
    ///
    /// The namespace dies at the return unless `body` gave something a reference to it, such as a bind mount.
    ///
    /// - Throws: from unshare(2): `.noSpace` (`user.max_net_namespaces`), `.noMemory`, `.notPermitted`; and what
    ///   `body` throws.
    package mutating func inNewNetworkNamespace<Result>(
        _ body: () throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        try away(by: { () throws(SystemError) in try call(.unshare) { clinux_unshare_network() } }, body)
    }

    /// Moves this thread into the namespace behind `descriptor`, runs `body` there, and moves back.
    ///
    /// - Throws: `.setns` with `.invalidArgument` for what is no network namespace; and what `body` throws.
    package mutating func inNetworkNamespace<Result>(
        _ descriptor: borrowing OwnedDescriptor, path: FilePath, _ body: () throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        let rawValue = descriptor.rawValue
        return try away(
            by: { () throws(SystemError) in try call(.setns, path) { clinux_enter_network(rawValue) } }, body)
    }

    /// Keeps the namespace open until the job's answer is given: nobody need wait for its descriptor's end.
    mutating func keep(_ namespace: NewNamespace) { kept = namespace }

    /// Lets go of what the job has kept.
    mutating func endJob() { kept = nil }

    private mutating func away<Result>(
        by leave: () throws(SystemError) -> Void, _ body: () throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        guard isHome else { throw SystemError(.setns, errno: .notPermitted) }
        try leave()
        // Before the job's answer: whom that wakes may have to be started, and a thread is born where its maker is.
        defer { isHome = home.enter() }
        return try body()
    }
}

/// The network namespace the daemon was started in, held open so that every worker can return to it.
final class HomeNamespace: Sendable {
    /// thread-self, not self: /proc/self/ns/net is the namespace of the main thread.
    private static let current: FilePath = "/proc/thread-self/ns/net"

    private let descriptor: OwnedDescriptor
    private let node: Node
    let numbers = ThreadNamespace.Numbers()

    /// Remembers the calling thread's namespace.
    init() throws(SystemError) {
        descriptor = try OwnedDescriptor.open(Self.current, O_RDONLY)
        node = try Node.of(descriptor, path: Self.current)
    }

    /// Whether the calling thread is at home; false where that cannot be told.
    var isHere: Bool {
        guard let now = try? Node.at(Self.current) else { return false }
        return now.device == node.device && now.inode == node.inode
    }

    /// Moves the calling thread home; false says that it is anywhere but there.
    func enter() -> Bool {
        clinux_enter_network(descriptor.rawValue) == 0
    }
}
