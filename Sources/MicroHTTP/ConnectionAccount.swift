// Glibc's structs too: in a release build they are found in this one, which is loaded first.
import CMicroHTTPD
import Glibc
import Synchronization

/// An open connection, as the server keeps account of it: until when it may be in the state it is in, and how many
/// requests it has brought.
///
/// libmicrohttpd ends connections that are quiet for too long. This is for those that are not: a client that sends or
/// takes a byte a second, be it of a header, of which libmicrohttpd tells nothing before the last one is complete.
final class ConnectionAccount: Sendable {
    private static let unbounded = Int.max
    private static let isCut = Int.min

    private let descriptor: CInt
    /// Whose Unix connection it is, where that is counted.
    let user: UInt32?
    private let limits: ConnectionLimits
    /// On the clock of ``CoarseClock``.
    private let deadline: Atomic<Int>
    private let requests = Atomic<Int>(0)

    init(descriptor: CInt, user: UInt32?, limits: ConnectionLimits) {
        self.descriptor = descriptor
        self.user = user
        self.limits = limits
        deadline = Atomic(CoarseClock.now + limits.requestMilliseconds)
    }

    /// The request line is here, and the rest has to follow in time.
    ///
    /// As all of these, false says that the connection is cut, and nothing that it brings is to be acted on.
    func requestArrives() -> Bool {
        requests.add(1, ordering: .relaxed)
        return move(to: CoarseClock.now + limits.requestMilliseconds)
    }

    /// The request is complete; how long its answer takes is not the client's doing.
    func requestIsComplete() -> Bool { move(to: Self.unbounded) }

    /// The answer is there for the client to take; a stream may take as long as it likes.
    func answerLeaves(isStream: Bool) -> Bool {
        move(to: isStream ? Self.unbounded : CoarseClock.now + limits.requestMilliseconds)
    }

    /// The answer is sent. The client may be quiet until libmicrohttpd's timeout, and then has time for a request.
    func answerIsSent() {
        _ = move(to: CoarseClock.now + limits.idleMilliseconds + limits.requestMilliseconds)
    }

    /// Whether the connection has had as many requests as one may have.
    var isUsedUp: Bool { requests.load(ordering: .relaxed) >= limits.requests }

    private func move(to new: Int) -> Bool {
        var current = deadline.load(ordering: .relaxed)
        while current != Self.isCut {
            let (exchanged, original) = deadline.compareExchange(
                expected: current, desired: new, ordering: .relaxed)
            if exchanged { return true }
            current = original
        }
        return false
    }

    /// Cuts the connection if its time is over. A client that moves on at this very moment either is seen to, or is
    /// told by ``move(to:)`` that it is cut: none is cut in the middle of an answer that it may have.
    func cut(ifDueAt now: Int) -> Bool {
        let current = deadline.load(ordering: .relaxed)
        guard current != Self.isCut, current <= now,
            deadline.compareExchange(expected: current, desired: Self.isCut, ordering: .relaxed).exchanged
        else { return false }
        shutDown()
        return true
    }

    /// Cuts the connection at its very beginning.
    func cut() {
        deadline.store(Self.isCut, ordering: .relaxed)
        shutDown()
    }

    /// libmicrohttpd sees an end, and closes the descriptor itself.
    private func shutDown() { _ = shutdown(descriptor, CInt(SHUT_RDWR)) }
}

/// What bounds each connection.
struct ConnectionLimits: Sendable {
    let requestMilliseconds: Int
    let idleMilliseconds: Int
    /// Requests a connection.
    let requests: Int
    /// Connections on Unix sockets of one user other than root.
    let perUser: Int

    init(_ configuration: HTTPServer.Configuration) {
        requestMilliseconds = configuration.requestSeconds * 1000
        idleMilliseconds = configuration.idleTimeoutSeconds * 1000
        requests = configuration.requestsPerConnection
        perUser = configuration.connectionsPerAddress > 0 ? configuration.connectionsPerAddress : .max
    }
}

/// Time as of the kernel's last tick, which is much cheaper to read than the time itself.
enum CoarseClock {
    /// In milliseconds.
    static var now: Int {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }
}
