import Logging
import Synchronization

/// What the listeners of a server share, and libmicrohttpd's callbacks are given.
final class ServerCore: Sendable {
    let handler: any RequestHandler
    let logger: Logger
    /// The longest header section that is taken, in bytes.
    let headerBytes: Int
    /// What an answer says has made it.
    let product: String?
    let connections: LiveConnections

    private let draining = Atomic<Bool>(false)
    private let hurried = Atomic<Bool>(false)
    /// Exchanges between their headers and their last byte sent.
    private let exchanges = Atomic<Int>(0)
    private let currentCredentials: Mutex<TLSCredentials?>
    private let waiting = Mutex(Waiting())
    /// How many suspended connections there have been to resume.
    let resumptions = Atomic<Int>(0)
    private let streams = Mutex(Streams())

    /// The exchanges whose connections are suspended.
    private struct Waiting {
        var exchanges: [ObjectIdentifier: (exchange: Exchange, connection: Connection)] = [:]
        var isAbandoned = false
    }

    private struct Streams {
        var running: [ObjectIdentifier: StreamedAnswer] = [:]
        var stage = Stage.serving
    }

    /// What a stream has to know of the server it starts in.
    enum Stage {
        case serving
        case draining
        case stopping
    }

    init(
        handler: any RequestHandler, logger: Logger, configuration: HTTPServer.Configuration,
        credentials: TLSCredentials?
    ) {
        self.handler = handler
        currentCredentials = Mutex(credentials)
        self.logger = logger
        headerBytes = configuration.headerBytes
        product = configuration.product
        connections = LiveConnections(limits: ConnectionLimits(configuration))
    }

    var isDraining: Bool { draining.load(ordering: .relaxed) }
    var exchangesInProgress: Int { exchanges.load(ordering: .acquiring) }

    /// What TCP is encrypted with; nil when it is not.
    var credentials: TLSCredentials? { currentCredentials.withLock(\.self) }

    /// Does nothing where there were none: the listeners are for TLS or not from their start on.
    func replaceCredentials(_ credentials: TLSCredentials) {
        // The old ones are let go of out of the lock, which every handshake takes.
        _ = currentCredentials.withLock { current in
            defer { if current != nil { current = credentials } }
            return current
        }
    }

    /// From now on every answer is its connection's last; false says that this was so before.
    func startDraining() -> Bool { !draining.exchange(true, ordering: .relaxed) }

    /// Whether those who are still waited for are not to be waited for any more.
    var isHurried: Bool { hurried.load(ordering: .relaxed) }
    func hurry() { hurried.store(true, ordering: .relaxed) }

    /// Cuts, until the task is cancelled, the connections whose time is over, within a second of that.
    func cutOverdueConnections() async {
        // An idle server sleeps.
        for await _ in connections.arrivals {
            while !connections.isEmpty, (try? await Task.sleep(for: .milliseconds(500))) != nil {
                let count = connections.cutOverdue()
                if count > 0 { logger.debug("slow connections were cut", metadata: ["count": "\(count)"]) }
            }
        }
    }

    func exchangeBegan() { exchanges.add(1, ordering: .relaxed) }
    func exchangeEnded() { exchanges.subtract(1, ordering: .releasing) }

    /// Suspends the connection until the exchange's answer is there; false says that it is too late to wait for one.
    ///
    /// libmicrohttpd must not be stopped with a connection suspended, so this and ``abandonExchanges()`` exclude each
    /// other.
    func suspend(_ exchange: Exchange, _ connection: Connection) -> Bool {
        waiting.withLock { waiting in
            guard !waiting.isAbandoned else { return false }
            connection.suspend()
            waiting.exchanges[ObjectIdentifier(exchange)] = (exchange, connection)
            return true
        }
    }

    /// The connection to resume, now that the answer is there.
    func suspendedConnection(of exchange: Exchange) -> Connection? {
        resumptions.add(1, ordering: .relaxed)
        return waiting.withLock { $0.exchanges.removeValue(forKey: ObjectIdentifier(exchange))?.connection }
    }

    /// Answers every exchange that is suspended, and lets none be suspended from now on.
    func abandonExchanges() {
        let exchanges = waiting.withLock { waiting in
            waiting.isAbandoned = true
            return waiting.exchanges.values.map(\.exchange)
        }
        // Out of the lock: abandoning takes it again.
        for exchange in exchanges { exchange.abandon() }
    }

    /// Notes a stream that was started; it must be told what it missed.
    func streamBegan(_ stream: StreamedAnswer) -> Stage {
        streams.withLock { streams in
            if streams.stage != .stopping { streams.running[ObjectIdentifier(stream)] = stream }
            return streams.stage
        }
    }

    func streamEnded(_ stream: StreamedAnswer) {
        _ = streams.withLock { $0.running.removeValue(forKey: ObjectIdentifier(stream)) }
    }

    /// Tells every stream, and from now on every new one, that the server drains.
    func drainStreams() {
        for stream in streams(entering: .draining) { stream.drain() }
    }

    /// Cuts every stream, and lets none run from now on: none will be suspended.
    func cutStreams() {
        for stream in streams(entering: .stopping) { stream.cut() }
    }

    private func streams(entering stage: Stage) -> [StreamedAnswer] {
        streams.withLock { streams in
            streams.stage = stage
            return Array(streams.running.values)
        }
    }
}
