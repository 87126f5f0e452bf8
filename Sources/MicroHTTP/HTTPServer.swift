import CMicroHTTPD
import Dispatch
public import Logging

/// An HTTP/1.1 server: libmicrohttpd's epoll threads in front of a ``RequestHandler``.
public final class HTTPServer: Sendable {
    /// What bounds a server.
    public struct Configuration: Sendable {
        /// Threads for each address.
        public var threads = 2
        /// Connections at once for each address; later ones wait in the kernel's queue.
        public var connectionLimit = 1024
        /// Connections at once from one TCP address, and on Unix sockets of one user other than root; 0 for no limit. Those
        /// beyond are closed without an answer.
        public var connectionsPerAddress = 0
        /// How many requests a connection brings at most; the last one's answer says that it is.
        public var requestsPerConnection = Int.max
        /// After how many seconds without a byte from or to the client a connection is closed.
        public var idleTimeoutSeconds = 60
        /// How long a request may take to arrive, from its request line to the end of its body, and an answer to be taken,
        /// in seconds. A client that sends a byte now and then, and so is never idle, is cut then.
        ///
        /// Of a request line nothing is known until it is whole. It is therefore counted from the connection's beginning,
        /// and after an answer from the end of ``idleTimeoutSeconds``.
        public var requestSeconds = 60
        /// The longest header section, request line included, and the longest request target, in bytes.
        public var headerBytes = 16 * 1024

        /// What libmicrohttpd has for a request and for its answer's headers. It takes what it remembers of each field
        /// from there too; so there is more than the headers may have, for us to refuse them.
        var connectionMemoryBytes: Int { 4 * headerBytes + 16 * 1024 }

        /// The defaults.
        public init() {}
    }

    private let core: ServerCore
    private let listeners: [Listener]
    private let cutting: Task<Void, Never>

    private init(core: ServerCore, listeners: [Listener]) {
        self.core = core
        self.listeners = listeners
        cutting = Task { await core.cutOverdueConnections() }
    }

    deinit { cutting.cancel() }

    /// Listens on every address, or on none.
    ///
    /// - Throws: ``ListenError`` for the first address that could not be listened on.
    public static func start(
        on addresses: [ListenAddress], configuration: Configuration, handler: some RequestHandler, logger: Logger
    ) throws(ListenError) -> HTTPServer {
        let core = ServerCore(handler: handler, logger: logger, configuration: configuration)
        var listeners: [Listener] = []
        do throws(ListenError) {
            for address in addresses {
                listeners.append(try Listener(address, configuration, core))
            }
        } catch {
            for listener in listeners {
                // Or libmicrohttpd would close the socket, which is `ListeningSocket`'s to close.
                listener.quiesce()
                listener.stop()
            }
            throw error
        }
        return HTTPServer(core: core, listeners: listeners)
    }

    /// Where the server listens, such as `unix:/run/netnsd/netnsd.sock` and `http://127.0.0.1:8080`.
    public var addresses: [String] { listeners.map(\.address.description) }

    /// How many exchanges are between their headers and the last byte of their answer.
    package var exchangesInProgress: Int { core.exchangesInProgress }

    /// Ends the server: accepts no connection and no request any more, tells streams to drain, lets running exchanges end
    /// until `deadline` has passed, answers the rest as ``Refusal/shuttingDown`` or cuts it, if it is a stream, and closes
    /// everything. A second call does nothing.
    public func shutdown(deadline: Duration) async {
        guard core.startDraining() else { return }
        for listener in listeners { listener.quiesce() }
        core.drainStreams()
        await exchangesToEnd(within: deadline)
        core.abandonExchanges()
        core.cutStreams()
        await exchangesToEnd(within: .seconds(1))
        await withCheckedContinuation { continuation in
            // Joins libmicrohttpd's threads, and so must not hold one of the cooperative pool's.
            DispatchQueue.global().async { [listeners] in
                for listener in listeners { listener.stop() }
                continuation.resume()
            }
        }
        cutting.cancel()
    }

    /// Looks every few milliseconds: a signal for the last exchange would cost every exchange a lock.
    private func exchangesToEnd(within limit: Duration) async {
        let deadline = ContinuousClock.now + limit
        while core.exchangesInProgress > 0, ContinuousClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(5))
        }
    }
}

/// One address with a libmicrohttpd daemon of its own, which is how the library listens on several.
///
/// `@unchecked Sendable`: libmicrohttpd makes `MHD_quiesce_daemon` and `MHD_stop_daemon` callable from any thread;
/// ``HTTPServer`` calls them one after the other, and the second once.
@safe private final class Listener: @unchecked Sendable {
    private let socket: ListeningSocket
    private let daemon: OpaquePointer
    private let context: Unmanaged<ServerCore>

    var address: ListenAddress { socket.address }

    init(_ address: ListenAddress, _ configuration: HTTPServer.Configuration, _ core: ServerCore) throws(ListenError) {
        socket = try ListeningSocket.listen(on: address)
        // The callbacks' reference, released in `stop`.
        unsafe context = unsafe Unmanaged.passRetained(core)
        var options = unsafe cmicrohttpd_options()
        unsafe options.listen_socket = socket.descriptor
        unsafe options.threads = UInt32(configuration.threads)
        unsafe options.connection_limit = UInt32(configuration.connectionLimit)
        unsafe options.connections_per_address = UInt32(configuration.connectionsPerAddress)
        unsafe options.idle_timeout_seconds = UInt32(configuration.idleTimeoutSeconds)
        unsafe options.connection_memory_bytes = configuration.connectionMemoryBytes
        unsafe options.context = unsafe context.toOpaque()
        unsafe options.access = requestProceeded
        unsafe options.completed = exchangeCompleted
        unsafe options.connection = connectionChanged
        unsafe options.target = targetArrived
        unsafe options.log = libraryLogged
        guard let daemon = unsafe cmicrohttpd_start(&options) else {
            unsafe context.release()
            throw ListenError(address, "MHD_start_daemon", reason: "libmicrohttpd could not be started")
        }
        unsafe self.daemon = unsafe daemon
    }

    /// Stops accepting connections.
    func quiesce() {
        // It hands the socket back; `socket` owns it all along.
        _ = unsafe MHD_quiesce_daemon(daemon)
    }

    /// Closes every connection, joins the threads and closes the socket. Nothing may be suspended.
    func stop() {
        unsafe MHD_stop_daemon(daemon)
        // Now rather than with the last reference, which may outlive the process's last moment.
        socket.close()
        unsafe context.release()
    }
}
