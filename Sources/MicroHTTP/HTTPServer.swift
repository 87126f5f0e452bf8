import CGnuTLS
import CMicroHTTPD
import Dispatch
public import Logging

/// An HTTP/1.1 server: libmicrohttpd in front of a ``RequestHandler``, on threads of its own or, where one is enough and
/// there is no TLS, in an ``EventLoop``.
public final class HTTPServer: Sendable {
    /// What bounds a server.
    public struct Configuration: Sendable {
        /// Threads for each address.
        public var threads = 2
        /// Connections at once for each address; later ones wait in the kernel's queue.
        public var connectionLimit = 1024
        /// Connections at once from one TCP address, and on Unix sockets of one user other than root; 0 for no limit.
        /// Those beyond are closed without an answer.
        public var connectionsPerAddress = 0
        /// How many requests a connection brings at most; the last one's answer says that it is.
        public var requestsPerConnection = Int.max
        /// After how many seconds without a byte from or to the client a connection is closed.
        public var idleTimeoutSeconds = 60
        /// How long a request may take to arrive, from its request line to the end of its body, and an answer to be
        /// taken, in seconds. A client that sends a byte now and then, and so is never idle, is cut then.
        ///
        /// Of a request line nothing is known until it is whole. It is therefore counted from the connection's
        /// beginning, and after an answer from the end of ``idleTimeoutSeconds``.
        public var requestSeconds = 60
        /// The longest header section, request line included, and the longest request target, in bytes.
        public var headerBytes = 8 * 1024
        /// The value of the answers' `Server` field, such as `netnsd/0.1.0`; nil for none. What libmicrohttpd refuses
        /// by itself has none in any case.
        public var product: String?

        /// What libmicrohttpd has for a request and for its answer's headers. It takes what it remembers of each field
        /// from there too; so there is more than the headers may have, for us to refuse them. It clears it all after
        /// each request, so that more is slower.
        var connectionMemoryBytes: Int { 2 * headerBytes + 4 * 1024 }

        /// The defaults.
        public init() {}
    }

    let core: ServerCore
    private let listeners: [Listener]
    /// Nil without an address.
    private let acceptor: Acceptor?
    private let cutting: Task<Void, Never>

    private init(core: ServerCore, listeners: [Listener], acceptor: Acceptor?) {
        self.core = core
        self.listeners = listeners
        self.acceptor = acceptor
        cutting = Task { await core.cutOverdueConnections() }
    }

    deinit { cutting.cancel() }

    /// Listens on every address, or on none.
    ///
    /// - Parameter credentials: With them, every TCP address is for TLS alone, and for nothing older than TLS 1.2. Unix
    ///   sockets are in the clear in any case.
    /// - Parameter help: Who serves connections besides the server's own threads.
    /// - Throws: ``ListenError`` for the first address that could not be listened on.
    public static func start(
        on addresses: [ListenAddress], configuration: Configuration, credentials: TLSCredentials? = nil,
        help: ServingHelp? = nil, handler: some RequestHandler, logger: Logger
    ) throws(ListenError) -> HTTPServer {
        let core = ServerCore(
            handler: handler, logger: logger, configuration: configuration, credentials: credentials)
        guard let first = addresses.first else { return HTTPServer(core: core, listeners: [], acceptor: nil) }
        var listeners: [Listener] = []
        do throws(ListenError) {
            let wake = try Wake(for: first)
            for address in addresses {
                listeners.append(try Listener(address, configuration, core, help: help, wake: wake))
            }
            let acceptor = try Acceptor(listeners.map(\.entrance), wake: wake, logger: logger, for: first)
            return HTTPServer(core: core, listeners: listeners, acceptor: acceptor)
        } catch {
            for listener in listeners { listener.stop() }
            var error = error
            error.isSecure = credentials != nil
            throw error
        }
    }

    /// Where the server listens, such as `unix:/run/netnsd/netnsd.sock` and `https://127.0.0.1:8443`.
    public var addresses: [String] {
        let isSecure = core.credentials != nil
        return listeners.map { $0.address.url(isSecure: isSecure) }
    }

    /// Proves the server with other credentials from now on, and believes clients by them, those that are connected
    /// too: a certificate that was good and is not any more is refused at the next request. No connection is cut.
    ///
    /// Does nothing on a server that was started without any.
    public func replaceCredentials(_ credentials: TLSCredentials) { core.replaceCredentials(credentials) }

    /// How many exchanges are between their headers and the last byte of their answer.
    package var exchangesInProgress: Int { core.exchangesInProgress }

    /// Ends the server: accepts no connection any more, tells streams to drain, closes connections that are between
    /// requests, and lets every request that has begun end, until `deadline` has passed or ``hurry()`` is called. Then
    /// it answers the rest as ``Refusal/shuttingDown`` or cuts it, if it is a stream, and closes everything. A second
    /// call does nothing.
    ///
    /// Clients that had connected, and were not accepted yet, are served too, unless the socket is inherited: they wait
    /// there for whoever listens next.
    public func shutdown(deadline: Duration) async {
        guard core.startDraining() else { return }
        await queuesToEmpty(within: min(deadline, Self.queuePatience))
        // Joins a thread, and so must not hold one of the cooperative pool's; as further down.
        await onQueue { [acceptor, listeners] in
            acceptor?.stop()
            for listener in listeners { listener.closeSocket() }
        }
        core.drainStreams()
        await connectionsToEnd(within: deadline) { core.isHurried }
        core.abandonExchanges()
        core.cutStreams()
        await connectionsToEnd(within: .seconds(1)) { core.exchangesInProgress == 0 }
        await onQueue { [listeners] in
            for listener in listeners { listener.stop() }
        }
        cutting.cancel()
    }

    /// For how long connections are still accepted because others wait behind them.
    private static let queuePatience = Duration.milliseconds(500)

    /// Lets the acceptor take in those who have connected, which takes a moment; longer where there are as many
    /// connections as there may be, of which some are quiet.
    private func queuesToEmpty(within limit: Duration) async {
        let deadline = ContinuousClock.now + limit
        while listeners.contains(where: \.entrance.socket.hasQueue), !core.isHurried, ContinuousClock.now < deadline {
            core.connections.closeQuiet()
            try? await Task.sleep(for: .milliseconds(1))
        }
    }

    private func onQueue(_ work: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                work()
                continuation.resume()
            }
        }
    }

    /// Ends the wait of a ``shutdown(deadline:)`` that is under way or to come.
    public func hurry() { core.hurry() }

    /// Looks every few milliseconds: a signal for the last exchange would cost every exchange a lock.
    private func connectionsToEnd(within limit: Duration, unless isOver: () -> Bool) async {
        let deadline = ContinuousClock.now + limit
        while !listeners.allSatisfy(\.entrance.isEmpty), !isOver(), ContinuousClock.now < deadline {
            core.connections.closeQuiet()
            try? await Task.sleep(for: .milliseconds(5))
        }
    }
}

/// One address with a libmicrohttpd daemon of its own, which is how the library tells of several.
///
/// `@unchecked Sendable`: nothing changes, and `MHD_stop_daemon` may be called from any thread; ``HTTPServer`` calls it
/// once.
@safe private final class Listener: @unchecked Sendable {
    let entrance: Entrance
    private let daemon: OpaquePointer
    private let context: Unmanaged<Entrance>

    var address: ListenAddress { entrance.socket.address }

    init(
        _ address: ListenAddress, _ configuration: HTTPServer.Configuration, _ core: ServerCore, help: ServingHelp?,
        wake: Wake
    ) throws(ListenError) {
        let socket = try ListeningSocket.listen(on: address)
        entrance = Entrance(socket, of: core, limit: configuration.connectionLimit, wake: wake)
        // The callbacks' reference, to the core as well, released in `stop`.
        unsafe context = unsafe Unmanaged.passRetained(entrance)
        var options = unsafe cmicrohttpd_options()
        let isSecure = address.isTCP && core.credentials != nil
        let hasLoop = configuration.threads <= 1 && !isSecure
        unsafe options.threads = hasLoop ? 0 : UInt32(configuration.threads)
        // The entrance bounds the connections. libmicrohttpd gives each thread its part and counts those that are gone
        // for a while longer; it is told of more so that no thread ever comes to its bound, where 0.9.75 returns with a
        // mutex locked (new_connection_process_).
        unsafe options.connection_limit = UInt32(2 * configuration.connectionLimit * max(1, configuration.threads))
        unsafe options.connections_per_address = UInt32(configuration.connectionsPerAddress)
        unsafe options.idle_timeout_seconds = UInt32(configuration.idleTimeoutSeconds)
        unsafe options.connection_memory_bytes = configuration.connectionMemoryBytes
        unsafe options.context = unsafe Unmanaged.passUnretained(core).toOpaque()
        unsafe options.connection_context = unsafe context.toOpaque()
        unsafe options.access = requestProceeded
        unsafe options.completed = exchangeCompleted
        unsafe options.connection = connectionChanged
        unsafe options.target = targetArrived
        unsafe options.log = libraryLogged
        if isSecure {
            unsafe options.tls_priorities = unsafe cgnutls_priorities
            // Each connection adopts the credentials of the moment before its handshake: connectionChanged.
            unsafe options.tls_certificate_callback = unsafe cgnutls_no_certificate()
        }
        guard let daemon = unsafe cmicrohttpd_start(&options) else {
            unsafe context.release()
            throw ListenError(address, "MHD_start_daemon", reason: "libmicrohttpd could not be started")
        }
        unsafe self.daemon = unsafe daemon
        do throws(ListenError) {
            let admit = { @Sendable [unowned entrance] (arrival: EventLoop.Arrival) in entrance.admit(arrival) }
            let loop = hasLoop ? unsafe try EventLoop(daemon, help: help, for: address, admit: admit) : nil
            unsafe entrance.lead(to: daemon, served: loop)
        } catch {
            stop()
            throw error
        }
    }

    /// Refuses new connections. Nobody may be accepting.
    func closeSocket() { entrance.socket.close() }

    /// Closes every connection, joins the threads and closes the socket. Nothing may be suspended, nobody accepting.
    func stop() {
        entrance.loop?.stop()
        unsafe MHD_stop_daemon(daemon)
        // Now rather than with the last reference, which may outlive the process's last moment.
        closeSocket()
        unsafe context.release()
    }
}
