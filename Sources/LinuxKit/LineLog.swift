import DequeModule
import Dispatch
import Synchronization
package import SystemPackage

/// A file that grows by whole lines, written by a thread of its own, so that a disk that is slow, full or broken keeps
/// nobody waiting. What cannot be queued or written is lost, counted and told of once.
package final class LineLog: Sendable {
    /// Where the lines go.
    package enum Destination: Sendable, Equatable {
        case file(FilePath)
        case standardOutput
    }

    /// What became of the lines until now.
    package struct Counts: Sendable, Equatable {
        package var written: UInt64 = 0
        /// Lost because too many waited.
        package var unqueued: UInt64 = 0
        /// Lost because they could not be written.
        package var unwritten: UInt64 = 0

        package init() {}
    }

    /// Makes a line, without its newline; called on the thread.
    package typealias Line = @Sendable () -> [UInt8]

    private enum Item: Sendable {
        case line(weight: Int, Line)
        case reopening(CheckedContinuation<Result<Void, SystemError>, Never>)
    }

    private struct State {
        var queue = Deque<Item>()
        var weight = 0
        var counts = Counts()
        var isStopping = false
        var hasStopped = false
    }

    /// How much may wait, in the units of ``append(weight:_:)``.
    private let capacity: Int
    /// What is written with one write(2) at most, but for one line that is longer, in bytes.
    private static let pieceSize = 256 * 1024

    private let destination: Destination
    private let state = Mutex(State())
    private let wakeUp = DispatchSemaphore(value: 0)
    /// The thread's alone once it runs.
    private let sink: Mutex<LineSink>
    private let changed: @Sendable (SystemError?) -> Void

    /// Opens the file and starts the thread, which ends with ``stop(within:)``.
    ///
    /// - Parameter changed: Called on the thread with the error when lines begin to be lost for it, and with nil when
    ///   they are written again.
    package init(
        _ destination: Destination, capacity: Int = 16 * 1024, changed: @escaping @Sendable (SystemError?) -> Void
    ) throws(SystemError) {
        self.destination = destination
        self.capacity = capacity
        self.changed = changed
        sink = Mutex(try LineSink(destination))
        try PlainThread.detach("netnsd-lines") { [self] in work() }
    }

    package var counts: Counts { state.withLock { $0.counts } }

    /// Queues a line; never waits. Where too much waits already, the line is lost.
    ///
    /// - Parameter weight: How large the line is, in units of which some thousand may wait.
    package func append(weight: Int = 1, _ line: @escaping Line) {
        let isFirst = state.withLock { state in
            guard !state.isStopping, state.weight + weight <= capacity else {
                state.counts.unqueued += 1
                return false
            }
            state.queue.append(.line(weight: weight, line))
            state.weight += weight
            return state.queue.count == 1
        }
        if isFirst { wakeUp.signal() }
    }

    /// Closes the file and opens the one that has its path now, for log rotation. The lines that wait go to the old
    /// one. If it cannot be opened, the old one stays in use.
    package func reopen() async throws(SystemError) {
        let result: Result<Void, SystemError> = await withCheckedContinuation { continuation in
            let isAccepted = state.withLock { state in
                guard !state.isStopping else { return false }
                state.queue.append(.reopening(continuation))
                return true
            }
            if isAccepted { wakeUp.signal() } else { continuation.resume(returning: .success(())) }
        }
        try result.get()
    }

    /// Writes what waits, then ends the thread; false says that it was not done in time. Later lines are lost.
    @discardableResult
    package func stop(within patience: Duration) async -> Bool {
        state.withLock { $0.isStopping = true }
        wakeUp.signal()
        let giveUp = ContinuousClock.now + patience
        while !state.withLock({ $0.hasStopped }) {
            guard ContinuousClock.now < giveUp, (try? await Task.sleep(for: .milliseconds(5))) != nil else {
                return false
            }
        }
        return true
    }
}

// MARK: - The thread

extension LineLog {
    private func work() {
        while true {
            let (items, isStopping) = state.withLock { state in
                defer {
                    state.queue = []
                    state.weight = 0
                }
                return (state.queue, state.isStopping)
            }
            sink.withLock { process(items, &$0) }
            if !items.isEmpty { continue }
            if isStopping { break }
            wakeUp.wait()
        }
        sink.withLock { $0.close() }
        state.withLock { $0.hasStopped = true }
    }

    private func process(_ items: Deque<Item>, _ sink: inout LineSink) {
        var text: [UInt8] = []
        var lines = 0
        func flush(_ sink: inout LineSink) {
            guard lines > 0 else { return }
            let wasWorking = sink.failure == nil
            let written = sink.write(text, lines: lines)
            let lost = lines - written
            state.withLock { state in
                state.counts.written += UInt64(written)
                state.counts.unwritten += UInt64(lost)
            }
            if wasWorking != (sink.failure == nil) { changed(sink.failure) }
            (text, lines) = ([], 0)
        }
        for item in items {
            switch item {
            case .line(_, let line):
                text += line()
                text.append(UInt8(ascii: "\n"))
                lines += 1
                if text.count >= Self.pieceSize { flush(&sink) }
            case .reopening(let continuation):
                flush(&sink)
                do throws(SystemError) {
                    try sink.reopen(destination)
                    continuation.resume(returning: .success(()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        flush(&sink)
    }
}
