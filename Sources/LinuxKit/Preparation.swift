/// Work that makes later jobs shorter, done by a thread that has nothing else to do, one thread at a time.
package protocol Preparation: Sendable {
    /// How long a thread is to have had no job before it does a piece of the work; nil when there will be none to do.
    var delay: Duration? { get }

    /// Whether more of it is wanted at once.
    var isPressing: Bool { get }

    /// Takes what calls an idle thread at once, for when a piece of the work is wanted sooner than that, and what tells
    /// whether jobs wait for a thread.
    func attach(call: @escaping @Sendable () -> Void, hasQueue: @escaping @Sendable () -> Bool)

    /// Told when a job that takes its time has found no thread free. A job that waits for a piece of the work is better
    /// done without.
    func jobIsWaiting()

    /// Does one piece. Jobs that arrive meanwhile are other threads', or wait.
    func perform(on thread: inout KernelThread)
}
