/// A body produced while it is sent, for answers without a known end such as Server-Sent Events.
///
/// Nothing is buffered for a slow client: the server reads when it can send, and only what it can send. Of each stream
/// that is handed over in a ``Response``, ``ended()`` is called once, also when it never started: the client was gone,
/// or asked with HEAD.
public protocol BodyStream: AnyObject, Sendable {
    /// Called once, before anything else, with the means to be read again; the headers are sent by then.
    func start(_ control: StreamControl)
    /// What to send next: at most `limit` bytes, and not none. Called on a libmicrohttpd thread; must not block.
    func read(atMost limit: Int) -> BodyPiece
    /// The server drains: send what is last and end soon. After the deadline the connection is cut.
    ///
    /// Called at most once, perhaps while a read is under way; must not block. The server reads again afterwards.
    func drain()
    /// The client has gone or the body has ended; nothing is called afterwards. Must not block.
    func ended()
}

/// What a ``BodyStream`` has to say when it is read.
public enum BodyPiece: Sendable {
    /// The next bytes. Empty ones are as good as ``wait``; more than were asked for cut the connection.
    case bytes([UInt8])
    /// Nothing now: read again after ``StreamControl/wake()``.
    case wait
    /// The body is complete.
    case end
    /// The body cannot be completed. A client that speaks HTTP/1.1 sees that it is truncated.
    case cut
}

/// What a ``BodyStream`` can do to its connection.
///
/// It may outlive the stream: then it does nothing.
public struct StreamControl: Sendable {
    private let waking: @Sendable () -> Void
    private let cutting: @Sendable () -> Void

    /// Makes one of two functions, for a stream that is tested without a server.
    public init(wake: @escaping @Sendable () -> Void, cut: @escaping @Sendable () -> Void) {
        waking = wake
        cutting = cut
    }

    /// From any thread, any number of times, also after the end: lets the server read again if it waits.
    ///
    /// A wake that comes while a read is under way counts: if that read finds nothing, there is another. Cheap when
    /// nobody waits.
    public func wake() { waking() }

    /// From any thread: gives up on a client that does not read.
    ///
    /// Shuts the socket down (shutdown(2)), so that even a blocked send ends. The stream is not read any more.
    public func cut() { cutting() }
}
