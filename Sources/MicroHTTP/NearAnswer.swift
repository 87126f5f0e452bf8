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
    ///
    /// - Parameter time: In how long the answer will be near, from now: then the thread sleeps until then, rather than
    ///   until it is woken, unless it has something else to do. Until then it does not see the answer. It is for the
    ///   beginning, before anything is waited for.
    public func hint(in time: Duration = .zero) {
        if time > .zero {
            exchange.answerWillBeNear(in: time)
        } else {
            exchange.answerIsNear()
        }
    }
}
