import Synchronization

/// Has the threads that work on what requests have asked for serve connections as well, between two pieces of work, while
/// more work waits than there are threads for it.
///
/// Then every processor has something to do, and the server's own thread is one too many: what it is woken for waits
/// behind a piece of work, and the next piece of work behind it, perhaps with another processor idle. Those who work
/// bring several answers at a time, take the next requests, and wake nobody.
///
/// For addresses in the clear that are served by one thread.
public final class ServingHelp: Sendable {
    /// For how long answers, and other requests, wait at most while there is work to go on with.
    private static let interval = Duration.milliseconds(2)
    /// With how little work left more of it is to be looked for.
    private static let reserve = 1

    private let loops = Mutex<[EventLoop]>([])
    private let isCrowded = Mutex<(@Sendable () -> Bool)?>(nil)
    /// Whether somebody has come since nobody came.
    private let isReliable = Atomic<Bool>(true)

    /// Help that nobody gives yet.
    public init() {}

    /// Takes what tells whether more work waits than there are threads for it.
    public func attach(isCrowded: @escaping @Sendable () -> Bool) {
        self.isCrowded.withLock { $0 = isCrowded }
    }

    /// Notes that the calling thread has done a piece of work; answers whether it is to ``perform()`` before the next.
    ///
    /// - Parameter waiting: How many pieces of work wait.
    public func workEnded(waiting: Int) -> Bool {
        isReliable.store(true, ordering: .relaxed)
        let interval = waiting > Self.reserve ? Self.interval : nil
        return loops.withLock(\.self).contains { $0.isLeft(for: interval) }
    }

    /// Serves the connections that are left to those who work.
    public func perform() {
        for loop in loops.withLock(\.self) { loop.takeTurn() }
    }

    /// Gives the connections back to the server's own threads: there is no work for the calling thread.
    public func threadIsFree() {
        for loop in loops.withLock(\.self) { loop.takeBack() }
    }

    func add(_ loop: EventLoop) { loops.withLock { $0.append(loop) } }
    func remove(_ loop: EventLoop) { loops.withLock { $0.removeAll { $0 === loop } } }

    /// Whether somebody will soon come and serve.
    var isComing: Bool { isReliable.load(ordering: .relaxed) && isCrowded.withLock(\.self)?() == true }

    /// Notes that nobody has come in time: all are at something that takes long.
    func hasNotCome() { isReliable.store(false, ordering: .relaxed) }
}
