import CGnuTLS
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
        /// After how many seconds without a byte from or to the client a connection is closed.
        public var idleTimeoutSeconds = 60
        /// How old a request may be while its body still arrives, from its request line on, in seconds. A client that
        /// sends a byte now and then, and so is never idle, is cut then. Headers that take as long are not seen here;
        /// connection memory bounds them.
        public var requestSeconds = 60
        /// Memory for the headers of a request and of its answer, in bytes; a request that needs more gets 431.
        public var connectionMemoryBytes = 32 * 1024

        /// The defaults.
        public init() {}
    }

    private let core: ServerCore
    private let listeners: [Listener]

    private init(core: ServerCore, listeners: [Listener]) {
        self.core = core
        self.listeners = listeners
    }

    /// Listens on every address, or on none.
    ///
    /// - Parameter credentials: With them, every TCP address is for TLS alone, and for nothing older than TLS 1.2. Unix
    ///   sockets are in the clear in any case.
    /// - Throws: ``ListenError`` for the first address that could not be listened on.
    public static func start(
        on addresses: [ListenAddress], configuration: Configuration, credentials: TLSCredentials? = nil,
        handler: some RequestHandler, logger: Logger
    ) throws(ListenError) -> HTTPServer {
        let core = ServerCore(
            handler: handler, logger: logger, requestSeconds: configuration.requestSeconds, credentials: credentials)
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
            var error = error
            error.isSecure = credentials != nil
            throw error
        }
        return HTTPServer(core: core, listeners: listeners)
    }

    /// Where the server listens, such as `unix:/run/netnsd/netnsd.sock` and `https://127.0.0.1:8443`.
    public var addresses: [String] {
        let isSecure = core.credentials != nil
        return listeners.map { $0.address.url(isSecure: isSecure) }
    }

    /// Proves the server with other credentials from now on, and believes clients by them, those that are connected too:
    /// a certificate that was good and is not any more is refused at the next request. No connection is cut.
    ///
    /// Does nothing on a server that was started without any.
    public func replaceCredentials(_ credentials: TLSCredentials) { core.replaceCredentials(credentials) }

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
        unsafe options.idle_timeout_seconds = UInt32(configuration.idleTimeoutSeconds)
        unsafe options.connection_memory_bytes = configuration.connectionMemoryBytes
        unsafe options.context = unsafe context.toOpaque()
        unsafe options.access = requestProceeded
        unsafe options.completed = exchangeCompleted
        unsafe options.target = targetArrived
        unsafe options.log = libraryLogged
        unsafe options.connection = connectionChanged
        if case .tcp = address, core.credentials != nil {
            unsafe options.tls_priorities = unsafe cgnutls_priorities
            // Each connection adopts the credentials of the moment before its handshake: connectionChanged.
            unsafe options.tls_certificate_callback = unsafe cgnutls_no_certificate()
        }
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
