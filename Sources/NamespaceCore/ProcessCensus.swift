import LinuxKit
import Synchronization

/// Who is inside namespaces, found out for all at once who ask meanwhile.
///
/// procfs has to be gone through whole for one answer, which serves many as well. Each is told by a look that began after
/// it had asked.
final class ProcessCensus: Sendable {
    private typealias Answer = Result<[Int32], SystemError>

    private struct State {
        var waiting: [(inode: UInt64, continuation: CheckedContinuation<Answer, Never>)] = []
        var isLooking = false
    }

    private let state = Mutex(State())
    private let workers: KernelWorkers

    init(workers: KernelWorkers) { self.workers = workers }

    /// What ``ProcessTable/processes(inNetworkNamespaces:)`` says of one namespace.
    func processes(inNetworkNamespace inode: UInt64) async throws(SystemError) -> [Int32] {
        let answer: Answer = await withCheckedContinuation { continuation in
            let isFirst = state.withLock { state in
                state.waiting.append((inode, continuation))
                defer { state.isLooking = true }
                return !state.isLooking
            }
            if isFirst { Task { await look() } }
        }
        return try answer.get()
    }

    private func look() async {
        while true {
            let asked = state.withLock { state in
                defer { state.waiting = [] }
                state.isLooking = !state.waiting.isEmpty
                return state.waiting
            }
            guard !asked.isEmpty else { return }
            let inodes = Set(asked.map(\.inode))
            do throws(SystemError) {
                let found = try await workers.run(as: KernelWorkers.lengthy) { (_) throws(SystemError) in
                    try ProcessTable.processes(inNetworkNamespaces: inodes)
                }
                for one in asked { one.continuation.resume(returning: .success(found[one.inode] ?? [])) }
            } catch {
                for one in asked { one.continuation.resume(returning: .failure(error)) }
            }
        }
    }
}
