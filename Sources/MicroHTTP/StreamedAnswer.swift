import CMicroHTTPD
import Glibc
import Logging
import Synchronization

/// A ``BodyStream`` on its connection: what libmicrohttpd's content reader is given.
///
/// ``read(into:)`` and ``finish()`` are called by whoever serves the connection, ``drain()`` and ``cut()`` by any.
final class StreamedAnswer: Sendable {
    private struct State {
        var hasStarted = false
        /// Whether there is nothing left that the stream has to be told to drain.
        var isDrained = false
        /// Whether `drain` is under way, whose return ``BodyStream/ended()`` waits for.
        var isInDrain = false
        var hasEnded = false
    }

    private let body: any BodyStream
    private let gate: StreamGate
    private let server: ServerCore
    private let state = Mutex(State())

    init(_ body: any BodyStream, on connection: Connection, of server: ServerCore) {
        self.body = body
        self.server = server
        gate = StreamGate(connection)
    }

    /// Fills the buffer and returns how far, or 0 with the connection suspended, or how the body ended.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard start() else { return cmicrohttpd_end_with_error }
        while gate.beginReading() {
            switch body.read(atMost: buffer.count) {
            case .bytes(let bytes) where !bytes.isEmpty:
                guard bytes.count <= buffer.count else {
                    server.logger.error("a body stream gave more than was asked for, and is cut")
                    return cmicrohttpd_end_with_error
                }
                unsafe buffer.copyBytes(from: bytes)
                return bytes.count
            case .bytes, .wait:
                if gate.suspend() { return 0 }
            case .end:
                state.withLock { $0.isDrained = true }
                return cmicrohttpd_end_of_stream
            case .cut:
                state.withLock { $0.isDrained = true }
                return cmicrohttpd_end_with_error
            }
        }
        return cmicrohttpd_end_with_error
    }

    /// Starts the stream at its first read; false says that the server stops and the stream is not to be read.
    private func start() -> Bool {
        let isFirst = state.withLock { state in
            defer { state.hasStarted = true }
            return !state.hasStarted
        }
        guard isFirst else { return true }
        body.start(StreamControl(wake: { [gate] in gate.wake() }, cut: { [gate] in gate.cut() }))
        switch server.streamBegan(self) {
        case .serving: return true
        case .draining:
            drain()
            return true
        case .stopping: return false
        }
    }

    /// Tells the stream that the server drains, once, and has it read again.
    func drain() {
        let isDue = state.withLock { state in
            guard !state.isDrained, !state.hasEnded else { return false }
            state.isDrained = true
            state.isInDrain = true
            return true
        }
        guard isDue else { return }
        body.drain()
        let hasEnded = state.withLock { state in
            state.isInDrain = false
            return state.hasEnded
        }
        // `finish` left it to us: it must not overtake `drain`.
        if hasEnded { body.ended() } else { gate.wake() }
    }

    /// Ends the connection, whatever it waits for.
    func cut() { gate.cut() }

    /// Called once, in libmicrohttpd's completion callback, before the socket can be closed.
    func finish() {
        gate.close()
        server.streamEnded(self)
        let isFree = state.withLock { state in
            state.hasEnded = true
            return !state.isInDrain
        }
        if isFree { body.ended() }
    }
}

/// Suspends a stream's connection and resumes it. Apart from ``StreamedAnswer`` because streams keep it, in their
/// ``StreamControl``, and must not keep themselves alive.
private final class StreamGate: Sendable {
    private struct State {
        /// Whether there was a wake since the read under way began.
        var isWoken = false
        var isSuspended = false
        var isCut = false
        /// The connection's socket, until libmicrohttpd may close it.
        var descriptor: CInt?
    }

    private let connection: Connection
    private let state: Mutex<State>

    init(_ connection: Connection) {
        self.connection = connection
        state = Mutex(State(descriptor: connection.descriptor))
    }

    /// False when the stream is not to be read any more.
    func beginReading() -> Bool {
        state.withLock { state in
            state.isWoken = false
            return !state.isCut
        }
    }

    /// Suspends the connection, unless the stream is to be read again at once.
    func suspend() -> Bool {
        // Under the lock: whoever wakes either is seen here or sees the suspension.
        state.withLock { state in
            guard !state.isWoken, !state.isCut else { return false }
            connection.suspend()
            state.isSuspended = true
            return true
        }
    }

    func wake() {
        state.withLock { state in
            state.isWoken = true
            resume(&state)
        }
    }

    func cut() {
        state.withLock { state in
            state.isCut = true
            if let descriptor = state.descriptor { _ = shutdown(descriptor, CInt(SHUT_RDWR)) }
            resume(&state)
        }
    }

    /// From here on the descriptor's number may be somebody else's, and the connection's pointer dangles.
    func close() {
        state.withLock { state in
            state.descriptor = nil
            state.isSuspended = false
        }
    }

    /// Under the lock too: once anybody has seen the connection not suspended, libmicrohttpd may be stopped.
    private func resume(_ state: inout State) {
        guard state.isSuspended else { return }
        state.isSuspended = false
        connection.resume()
    }
}
