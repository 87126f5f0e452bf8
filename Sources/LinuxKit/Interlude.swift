/// What threads see to between their jobs, besides.
package protocol Interlude: Sendable {
    /// Takes what tells whether jobs wait although every thread is at one, and they are not soon done.
    func attach(isCrowded: @escaping @Sendable () -> Bool)

    /// Told by a thread that has ended a job; answers whether it is to ``perform()``.
    ///
    /// - Parameter waiting: How many jobs wait.
    func workEnded(waiting: Int) -> Bool

    /// Does something short.
    func perform()

    /// Told by a thread that has no job.
    func threadIsFree()
}
