/// A way for a handler to say that its answer is a matter of microseconds.
///
/// On an idle machine, waking the connection's thread takes longer than the last steps of an answer that waited for the
/// kernel. Told in time, the thread wakes while they are taken, or does not go to sleep at all. It is a hint: nothing
/// depends on it but time, and it is worth giving only while the server has little else to do, since the thread that it
/// keeps serves other connections too.
public struct NearAnswer: Sendable {
    private let exchange: Exchange

    init(exchange: Exchange) {
        self.exchange = exchange
    }

    /// Gives the hint. Callable from any thread, at any time.
    public func hint() {
        exchange.answerIsNear()
    }
}
