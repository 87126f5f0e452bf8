import Synchronization
import SystemPackage

/// Plain threads for blocking work that may take minutes, such as waiting for other programs, which must not keep the
/// kernel's workers from theirs.
///
/// There is a thread only while there is work for it. None of them ever changes namespace: each is in the namespace of
/// the thread that asked for its first job, which is never one of ``KernelWorkers``.
package final class JobThreads: Sendable {
    private struct Job: Sendable {
        let run: @Sendable () -> Void
        let refuse: @Sendable (SystemError) -> Void
    }

    private struct State {
        var waiting: [Job] = []
        var threads = 0
        var isStopping = false
        var stopped: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let limit: Int

    /// - Parameter limit: How many jobs run at once; later ones wait their turn.
    package init(limit: Int) {
        precondition(limit > 0, "without a thread no job would ever run")
        self.limit = limit
    }

    /// How many threads there are now.
    package var threadCount: Int { state.withLock { $0.threads } }

    /// Runs `body` on a thread of its own, to its end even if the calling task is cancelled.
    ///
    /// - Throws: `.submitJob` with `.canceled` once it is stopped; `.startThread`.
    package func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async throws(SystemError) -> Value {
        let result: Result<Value, SystemError> = await withCheckedContinuation { continuation in
            let job = Job(
                run: { continuation.resume(returning: .success(body())) },
                refuse: { continuation.resume(returning: .failure($0)) })
            let isAccepted = state.withLock { state in
                if !state.isStopping { state.waiting.append(job) }
                return !state.isStopping
            }
            guard isAccepted else {
                job.refuse(SystemError(.submitJob, errno: .canceled))
                return
            }
            startThread()
        }
        return try result.get()
    }

    /// Lets all jobs end; later ones are refused.
    package func stop() async {
        await withCheckedContinuation { continuation in
            let isStopped = state.withLock { state in
                state.isStopping = true
                if state.threads > 0 { state.stopped.append(continuation) }
                return state.threads == 0
            }
            if isStopped { continuation.resume() }
        }
    }

    /// Starts a thread for a job that waits, unless there are enough.
    private func startThread() {
        let isNeeded = state.withLock { state in
            guard state.threads < limit, !state.waiting.isEmpty else { return false }
            state.threads += 1
            return true
        }
        guard isNeeded else { return }
        do throws(SystemError) {
            try PlainThread.detach("netnsd-job") { [self] in work() }
        } catch {
            // Without any other thread they would wait for ever.
            let refused = state.withLock { state -> [Job] in
                state.threads -= 1
                defer { if state.threads == 0 { state.waiting = [] } }
                return state.threads == 0 ? state.waiting : []
            }
            for job in refused { job.refuse(error) }
        }
    }

    /// What a thread does.
    private func work() {
        while let job = state.withLock({ $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }) { job.run() }
        let stopped = state.withLock { state in
            state.threads -= 1
            return state.threads == 0 && state.waiting.isEmpty && state.isStopping ? state.stopped : []
        }
        for continuation in stopped { continuation.resume() }
        // One may have come between the last look and the end.
        startThread()
    }
}
