import CMicroHTTPD
import Glibc
import Synchronization

/// An open connection, as the server keeps account of it: whether it is between requests, which is when a server that
/// drains may close it.
final class LiveConnection: Sendable {
    private enum Phase {
        static let idle = 0
        /// From the request line to the last byte of the answer.
        static let busy = 1
        /// Nothing is read any more but what had arrived before.
        static let closing = 2
    }

    /// Until when it may be in the state it is in.
    let account: ConnectionAccount
    /// Who is at the other end, as far as that is known before a handshake.
    let client: Client
    /// What is remembered of its TLS session; it keeps the credentials, which GnuTLS does not.
    let tls: TLSConnection?
    /// What serves it, unless libmicrohttpd does by itself.
    let loop: EventLoop?
    private let descriptor: CInt
    private let phase = Atomic<Int>(Phase.idle)
    /// What is kept of its latest request, for the next one.
    let latest = Mutex(LatestRequest())

    init(descriptor: CInt, client: Client, limits: ConnectionLimits, tls: TLSConnection?, loop: EventLoop? = nil) {
        self.loop = loop
        self.descriptor = descriptor
        self.client = client
        // Root is not counted: it could end the daemon just as well.
        let user = client.peer.flatMap { $0.user == 0 ? nil : $0.user }
        account = ConnectionAccount(descriptor: descriptor, user: user, limits: limits)
        self.tls = tls
    }

    /// Notes that a request begins; false says that the connection is being closed.
    func requestBegan() -> Bool {
        phase.compareExchange(expected: Phase.idle, desired: Phase.busy, ordering: .relaxed).original != Phase.closing
    }

    func requestEnded() {
        _ = phase.compareExchange(expected: Phase.busy, desired: Phase.idle, ordering: .relaxed)
    }

    /// Whether the connection is between requests, and nothing of the next one waits in its socket.
    var isQuiet: Bool {
        guard phase.load(ordering: .relaxed) == Phase.idle else { return false }
        var byte: UInt8 = 0
        return unsafe recv(descriptor, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT)) <= 0
    }

    /// Closes the connection in order, unless a request has begun: libmicrohttpd sees an end, as if the client's.
    ///
    /// Call it while the connection is in ``LiveConnections``: libmicrohttpd may close the descriptor afterwards.
    func closeIfIdle() {
        let (isIdle, _) = phase.compareExchange(expected: Phase.idle, desired: Phase.closing, ordering: .relaxed)
        // Bytes that arrived a moment ago are read before the end is, and refused.
        if isIdle { _ = Glibc.shutdown(descriptor, CInt(SHUT_RD)) }
    }
}

/// The connections of a server that are open now.
///
/// A connection is removed, under the lock, before libmicrohttpd closes its descriptor. What is done to a descriptor
/// under the lock is therefore done to that connection's, and not to another one's that got the number.
final class LiveConnections: Sendable {
    private struct Entry {
        let connection: LiveConnection
        var wasQuiet = false
    }

    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var perUser: [UInt32: Int] = [:]
    }

    private let state = Mutex(State())
    let limits: ConnectionLimits
    /// Tells of a connection where there was none. One message stands for any number.
    let arrivals: AsyncStream<Void>
    private let arrivalsContinuation: AsyncStream<Void>.Continuation

    init(limits: ConnectionLimits) {
        self.limits = limits
        (arrivals, arrivalsContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    var isEmpty: Bool { state.withLock { $0.entries.isEmpty } }

    /// Takes a connection in; one too many of its user's is cut.
    func add(_ connection: LiveConnection) {
        let isFirst = state.withLock { state in
            let isFirst = state.entries.isEmpty
            state.entries[ObjectIdentifier(connection)] = Entry(connection: connection)
            guard let user = connection.account.user else { return isFirst }
            state.perUser[user, default: 0] += 1
            if state.perUser[user, default: 0] > limits.perUser { connection.account.cut() }
            return isFirst
        }
        if isFirst { arrivalsContinuation.yield() }
    }

    /// Lets go of one that libmicrohttpd is about to close.
    func remove(_ connection: LiveConnection) {
        state.withLock { state in
            state.entries[ObjectIdentifier(connection)] = nil
            guard let user = connection.account.user, let count = state.perUser[user] else { return }
            state.perUser[user] = count > 1 ? count - 1 : nil
        }
    }

    /// Cuts those whose time is over; answers how many.
    func cutOverdue() -> Int {
        let now = CoarseClock.now
        return state.withLock { state in
            state.entries.values.count { $0.connection.account.cut(ifDueAt: now) }
        }
    }

    /// Closes those that are quiet for the second time in a row: a request that is half in libmicrohttpd's memory is
    /// not seen, but is there within a moment.
    func closeQuiet() {
        state.withLock { state in
            for (key, entry) in state.entries {
                let isQuiet = entry.connection.isQuiet
                if isQuiet, entry.wasQuiet { entry.connection.closeIfIdle() }
                state.entries[key]?.wasQuiet = isQuiet
            }
        }
    }
}
