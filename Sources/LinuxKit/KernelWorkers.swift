import CLinux
import Dispatch
import Glibc
import Synchronization
import SystemPackage

/// A few plain threads on which every blocking or namespace-changing system call of the process is made.
///
/// A job has its thread to itself from start to end, so it may unshare(2) and setns(2). A thread that could not return
/// to the original namespace is ended and replaced. Nothing else in the process ever changes namespace, and these
/// threads run Swift concurrency's jobs, if their interlude has any, only while they are there.
package final class KernelWorkers: Sendable {
    private typealias Job = @Sendable (inout KernelThread) -> Void

    private struct State {
        var queue = JobQueue<Job>()
        /// What idle threads wait for, the one that worked last at the end: its caches are warm.
        var idle: [DispatchSemaphore] = []
        var threads = 0
        var isPreparing = false
        /// The threads', as gettid(2) has them.
        var ids: Set<CInt> = []
        /// Whether the next thread without a job is to prepare something.
        var isCalled = false
        var isStopping = false
        var stopped: [CheckedContinuation<Void, Never>] = []
    }

    /// What the jobs are that the current task submits.
    @TaskLocal package static var priority = JobPriority.interactive

    /// What a job is that takes its time: of a batch, it waits as the batch's others do.
    package static var lengthy: JobPriority { max(priority, .lengthy) }

    private let state = Mutex(State())
    /// The queue's, for a thread that looks out for a job without the lock.
    private let queueLength = Atomic<Int>(0)
    /// When a thread that looks out for a job last looked, so that none need be woken; 0 while none does.
    private let lastLook = Atomic<UInt64>(0)
    private let begun = Atomic<Int>(0)
    /// The processor on which the latest job was submitted; -1 before that.
    private let callersProcessor = Atomic<CInt>(-1)
    private let home: HomeNamespace
    private let preparation: (any Preparation)?
    private let interlude: (any Interlude)?
    /// How many threads there are to be, for who asks without the lock.
    private let threads: Int
    private let working = Atomic<Int>(0)
    /// How many nanoseconds the latest jobs took, about; at first, as if they were long.
    private let usualTime = Atomic<UInt64>(longTime)
    /// Whether the other threads are kept off the processor of one that prepares something.
    private let isOneApart = Atomic<Bool>(false)
    /// What the jobs took until now.
    package let tally = JobTally()

    /// Starts `count` threads, which take the calling thread's network namespace as the one to return to.
    ///
    /// Call ``stop()`` before letting go: the threads keep the pool alive until then.
    package init(
        count: Int, preparation: (any Preparation)? = nil, interlude: (any Interlude)? = nil
    ) throws(SystemError) {
        precondition(count > 0, "a pool without threads would never run a job")
        self.preparation = preparation
        self.interlude = interlude
        threads = count
        home = try HomeNamespace()
        preparation?.attach(
            call: { [weak self] in self?.callForPreparation() },
            hasQueue: { [weak self] in (self?.queuedJobs ?? 0) > 0 })
        interlude?.attach(isCrowded: { [weak self] in self?.isCrowded == true })
        for _ in 0..<count { try startThread() }
    }

    /// How many threads there are now.
    package var threadCount: Int { state.withLock { $0.threads } }

    /// How many jobs have been begun so far; it stands still when every thread is stuck in one.
    package var jobsBegun: Int { begun.load(ordering: .relaxed) }
    /// How many jobs wait for a thread.
    package var queuedJobs: Int { queueLength.load(ordering: .relaxed) }

    /// How many jobs have a thread.
    package var runningJobs: Int { working.load(ordering: .relaxed) }

    /// Whether a job would be begun at once, and have the processors to itself.
    package var areIdle: Bool { runningJobs == 0 && queuedJobs == 0 }

    /// Whether jobs wait although every thread is at one, and they are not soon done.
    private var isCrowded: Bool {
        queuedJobs > 0 && runningJobs >= threads && usualTime.load(ordering: .relaxed) >= Self.longTime
    }

    /// From how many nanoseconds on a job takes longer than to serve who waits for it.
    private static let longTime: UInt64 = 100_000

    /// Of two that do so at once one may be lost.
    private func learn(nanoseconds: UInt64) {
        let usual = usualTime.load(ordering: .relaxed)
        usualTime.store(usual - usual / 8 + min(nanoseconds, 8 * Self.longTime) / 8, ordering: .relaxed)
    }

    /// Runs `body` on the next free thread and answers what it returned or threw.
    ///
    /// Once queued, the job runs to its end even if the calling task is cancelled: a half-made namespace would be worse
    /// than one nobody waits for.
    ///
    /// - Parameter priority: What the job is; ``priority`` unless told.
    package func run<Value: Sendable>(
        as priority: JobPriority = priority,
        _ body: @escaping @Sendable (inout KernelThread) throws(SystemError) -> Value
    ) async throws(SystemError) -> Value {
        let queued = SystemTime.monotonicNanoseconds
        let result: Result<Value, SystemError> = await withCheckedContinuation { continuation in
            let job: Job = { [self] thread in
                let result: Result<Value, SystemError>
                let begun = SystemTime.monotonicNanoseconds
                working.add(1, ordering: .relaxed)
                do throws(SystemError) {
                    result = .success(try body(&thread))
                } catch {
                    result = .failure(error)
                }
                working.subtract(1, ordering: .relaxed)
                let time = SystemTime.monotonicNanoseconds - begun
                tally.waiting.add(nanoseconds: begun - queued)
                tally.working.add(nanoseconds: time)
                learn(nanoseconds: time)
                // Who waits may have to have a thread started, which has the processors of this one for good.
                if isOneApart.load(ordering: .relaxed) { _ = clinux_avoid_processor(0, -1) }
                continuation.resume(returning: result)
            }
            guard submit(job, priority) else {
                continuation.resume(returning: .failure(SystemError(.submitJob, errno: .canceled)))
                return
            }
        }
        return try result.get()
    }

    /// Queues a job and wakes a thread for it if one sleeps; false says that the pool has been stopped.
    private func submit(_ job: @escaping Job, _ priority: JobPriority) -> Bool {
        callersProcessor.store(clinux_processor(), ordering: .relaxed)
        let (isAccepted, sleeper, isLeft) = state.withLock { state -> (Bool, DispatchSemaphore?, Bool) in
            guard !state.isStopping else { return (false, nil, false) }
            state.queue.append(job, priority)
            queueLength.store(state.queue.count, ordering: .relaxed)
            if state.queue.count == 1, isWatched { return (true, nil, false) }
            let sleeper = state.idle.popLast()
            return (true, sleeper, sleeper == nil)
        }
        sleeper?.signal()
        if isLeft, priority == .lengthy { preparation?.jobIsWaiting() }
        return isAccepted
    }

    /// Whether a thread will find a job at once. One that has given way may be kept from its processor.
    private var isWatched: Bool {
        let look = lastLook.load(ordering: .relaxed)
        return look != 0 && Self.time(since: look) < Self.watchTime
    }

    /// Lets the queued jobs end, then the threads; later jobs are refused with `.canceled`.
    package func stop() async {
        await withCheckedContinuation { continuation in
            let (sleepers, isStopped) = state.withLock { state in
                state.isStopping = true
                if state.threads > 0 { state.stopped.append(continuation) }
                defer { state.idle = [] }
                return (state.idle, state.threads == 0)
            }
            for sleeper in sleepers { sleeper.signal() }
            if isStopped { continuation.resume() }
        }
    }

    private func startThread() throws(SystemError) {
        state.withLock { $0.threads += 1 }
        do throws(SystemError) {
            try PlainThread.detach("netnsd-kernel") { [self] in work() }
        } catch {
            state.withLock { $0.threads -= 1 }
            throw error
        }
    }

    /// What a thread does.
    private func work() {
        var thread = KernelThread(home: home)
        let id = clinux_thread_id()
        state.withLock { _ = $0.ids.insert(id) }
        defer { state.withLock { _ = $0.ids.remove(id) } }
        // What keeps it out may last, and its replacement, and that one's, would have the processor to themselves.
        if !thread.isHome { usleep(Self.homelessPause) }
        let wakeUp = DispatchSemaphore(value: 0)
        while thread.isHome, let job = next(wakeUp, on: &thread) {
            begun.add(1, ordering: .relaxed)
            job(&thread)
            thread.endJob()
            if thread.isHome { takeInterlude(on: id) }
        }
        threadEnded(replace: !thread.isHome)
    }

    /// Does, between two jobs, what else there is to do.
    private func takeInterlude(on id: CInt) {
        guard let interlude, interlude.workEnded(waiting: queueLength.load(ordering: .relaxed)) else { return }
        // A thread that is started on the way has this one's processors for good: nobody is to keep it off any.
        state.withLock { _ = $0.ids.remove(id) }
        if isOneApart.load(ordering: .relaxed) { _ = clinux_avoid_processor(0, -1) }
        interlude.perform()
        state.withLock { _ = $0.ids.insert(id) }
    }

    /// After how many microseconds a thread that could not even begin at home is replaced.
    private static let homelessPause: useconds_t = 20_000

    /// How soon a thread that has gone to sleep looks for something to prepare again, at the earliest.
    private static let leastSleep = Duration.milliseconds(1)

    /// Waits for a job; nil tells the thread to end.
    private func next(_ wakeUp: DispatchSemaphore, on thread: inout KernelThread) -> Job? {
        if queueLength.load(ordering: .relaxed) == 0 { interlude?.threadIsFree() }
        let delay = preparation?.delay
        watchForJob(for: min(delay ?? Self.watchTime, Self.watchTime))
        if let delay, delay <= Self.watchTime { prepare(isUrgent: true, on: &thread) }
        return thread.isHome ? sleep(wakeUp, on: &thread) : nil
    }

    /// As ``next(_:on:)``, with a wake-up call for each job, and other work after a pause without one.
    private func sleep(_ wakeUp: DispatchSemaphore, on thread: inout KernelThread) -> Job? {
        var preparationAt = nextPreparation()
        while true {
            let (job, isStopping, isCalled) = state.withLock { state -> (Job?, Bool, Bool) in
                let job = state.queue.popFirst()
                queueLength.store(state.queue.count, ordering: .relaxed)
                let isCalled = job == nil && state.isCalled
                if isCalled { state.isCalled = false }
                if job == nil && !isCalled && !state.isStopping { state.idle.append(wakeUp) }
                return (job, state.isStopping, isCalled)
            }
            if job != nil || isStopping { return job }
            if isCalled {
                prepare(isUrgent: true, on: &thread)
                guard thread.isHome else { return nil }
                preparationAt = nextPreparation()
                continue
            }
            interlude?.threadIsFree()
            guard let time = preparationAt else {
                wakeUp.wait()
                continue
            }
            if wakeUp.wait(until: time) { continue }
            let isSignalled = state.withLock { state in
                guard let place = state.idle.firstIndex(where: { $0 === wakeUp }) else { return true }
                state.idle.remove(at: place)
                return false
            }
            if isSignalled {
                wakeUp.wait()
                continue
            }
            prepare(isUrgent: false, on: &thread)
            guard thread.isHome else { return nil }
            preparationAt = nextPreparation()
        }
    }

    private func nextPreparation() -> ContinuousClock.Instant? {
        preparation?.delay.map { .now + max($0, Self.leastSleep) }
    }

    /// Has an idle thread prepare something, if there is one and no job for it.
    private func callForPreparation() {
        let sleeper = state.withLock { state -> DispatchSemaphore? in
            guard !state.isPreparing, !state.isStopping, state.queue.isEmpty else { return nil }
            guard let sleeper = state.idle.popLast() else { return nil }
            state.isCalled = true
            return sleeper
        }
        sleeper?.signal()
    }

    /// Prepares something, and more while more is wanted at once, unless another thread does or a job waits.
    ///
    /// - Parameter isUrgent: Whether a job is about to come that wants it.
    private func prepare(isUrgent: Bool, on thread: inout KernelThread) {
        guard let preparation else { return }
        let isFree = state.withLock { state in
            guard !state.isPreparing, !state.isStopping, state.queue.isEmpty else { return false }
            state.isPreparing = true
            return true
        }
        guard isFree else { return }
        var isApart = false
        repeat {
            // Otherwise there is nobody whose way it would be in, and each thread takes a system call.
            if !isApart, isUrgent || preparation.isPressing { isApart = setApart() }
            preparation.perform(on: &thread)
        } while thread.isHome && preparation.isPressing && queueLength.load(ordering: .relaxed) == 0
        if isApart { letTogether() }
        state.withLock { $0.isPreparing = false }
    }

    /// Gives what prepares a processor of its own, where there is another one. In unshare(2) the kernel lets nobody
    /// else have it: who submits jobs or runs them would wait there for as long, while another one is idle.
    private func setApart() -> Bool {
        let caller = callersProcessor.load(ordering: .relaxed)
        guard caller >= 0, clinux_avoid_processor(0, caller) == 0 else { return false }
        isOneApart.store(true, ordering: .relaxed)
        keepOthers(off: clinux_processor())
        return true
    }

    private func letTogether() {
        _ = clinux_avoid_processor(0, -1)
        keepOthers(off: -1)
        isOneApart.store(false, ordering: .relaxed)
    }

    private func keepOthers(off processor: CInt) {
        let own = clinux_thread_id()
        // Under the lock, so that none ends and its id is another thread's.
        state.withLock { state in
            for id in state.ids where id != own { _ = clinux_avoid_processor(id, processor) }
        }
    }

    /// How long a thread looks out for its next job before it sleeps, if it alone is at work: as long as a client that
    /// makes one request after the other takes. Waking up takes half of that, and leaves the caches cold.
    private static let watchTime = Duration.microseconds(200)

    /// Looks out for a job, for so long at most, if this thread alone is at work.
    private func watchForJob(for time: Duration) {
        guard state.withLock({ $0.idle.count == $0.threads - 1 && $0.threads > 1 }), leaveCallersProcessor() else {
            return
        }
        let start = SystemTime.monotonicNanoseconds
        defer { lastLook.store(0, ordering: .relaxed) }
        var looks = 0
        while queueLength.load(ordering: .relaxed) == 0, Self.time(since: start) < time {
            lastLook.store(SystemTime.monotonicNanoseconds, ordering: .relaxed)
            looks += 1
            // The client may be waiting for this very processor, to send what is looked out for; mostly it has another
            // one, which may be the other half of this one.
            if looks.isMultiple(of: 16) { sched_yield() } else { clinux_relax() }
        }
    }

    /// Goes to another processor if jobs come from this one: looking out, it would be in the way of who brings the next.
    /// sched_yield(2) gives way to threads of the same group alone (`sched_autogroup`, cgroups). False says that it cannot
    /// go to another.
    private func leaveCallersProcessor() -> Bool {
        let caller = callersProcessor.load(ordering: .relaxed)
        guard caller >= 0, caller == clinux_processor() else { return true }
        guard clinux_avoid_processor(0, caller) == 0 else { return false }
        // It is there now, and where to go from there is the kernel's to say.
        _ = clinux_avoid_processor(0, -1)
        return true
    }

    private static func time(since earlier: UInt64) -> Duration {
        .nanoseconds(Int64(bitPattern: SystemTime.monotonicNanoseconds &- earlier))
    }

    private func threadEnded(replace: Bool) {
        // The new thread inherits the wrong namespace from this one, and leaves it in KernelThread's initializer. If it
        // cannot, it ends here as well, and its replacement tries again. A pool that stops lets its queue end.
        if replace, !state.withLock({ $0.isStopping && $0.queue.isEmpty }) {
            do throws(SystemError) {
                try startThread()
            } catch {
                // Without a thread the queued jobs would wait for ever; a daemon that cannot work must not look alive.
                fatalError("netnsd: cannot replace a kernel worker: \(error)")
            }
        }
        let stopped = state.withLock { state in
            state.threads -= 1
            return state.threads == 0 && state.isStopping ? state.stopped : []
        }
        for continuation in stopped { continuation.resume() }
    }
}

extension DispatchSemaphore {
    /// Whether it was signalled by then.
    fileprivate func wait(until end: ContinuousClock.Instant) -> Bool {
        let (seconds, attoseconds) = (end - .now).components
        let nanoseconds = max(0, seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
        return wait(timeout: .now() + .nanoseconds(Int(nanoseconds))) == .success
    }
}
