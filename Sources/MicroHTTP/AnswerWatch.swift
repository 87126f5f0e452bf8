import CMicroHTTPD
import Glibc
import Synchronization

/// How the thread that serves a connection waits for an answer that is near, instead of going back to libmicrohttpd: on
/// an idle machine, waking a thread takes longer than the last steps of such an answer, both of who wakes and of who is
/// woken.
struct AnswerWatch: ~Copyable, Sendable {
    /// How long a thread that was told that an answer is near looks out for it.
    static let time = Duration.microseconds(150)
    /// How far from now an answer may be for a thread to sleep until it is near: what takes longer is told less well.
    static let longestRest = Duration.milliseconds(1)
    /// How long before the time that it was told of it is to wake, which takes its time too.
    private static let advance = Duration.microseconds(30)

    private let hasNews = Atomic<Bool>(false)

    /// Notes that a job or the answer has come.
    func note() { hasNews.store(true, ordering: .releasing) }

    /// Forgets what has come.
    func reset() { hasNews.store(false, ordering: .relaxed) }

    /// Looks out for a job or the answer. False says that there is none yet: its time is over, or another connection is
    /// to be resumed, perhaps by this thread, and perhaps with what this answer waits for.
    func seesNews(until end: ContinuousClock.Instant, of server: ServerCore) -> Bool {
        let resumptions = server.resumptions.load(ordering: .relaxed)
        var looks = 0
        while !hasNews.load(ordering: .acquiring) {
            guard ContinuousClock.now < end, server.resumptions.load(ordering: .relaxed) == resumptions else {
                return false
            }
            looks += 1
            // Whoever brings the news, or takes the answer, may be waiting for this very processor. Mostly they have
            // another one, which may be the other half of this one.
            if looks.isMultiple(of: 16) { sched_yield() } else { cmicrohttpd_relax() }
        }
        return true
    }

    /// Sleeps until the answer is near. False says that the thread has something else to do.
    static func rest(until near: ContinuousClock.Instant, in loop: EventLoop) -> Bool {
        let rest = near - .now
        guard rest <= longestRest else { return false }
        return rest <= advance || loop.rest(for: rest - advance)
    }
}
