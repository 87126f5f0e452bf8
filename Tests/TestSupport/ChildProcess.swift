import Foundation
import Glibc
import Synchronization

/// A program that runs beside the test, with its standard error in a file.
package final class ChildProcess: Sendable {
    package let pid: Int32
    private let state: State

    private final class State: Sendable {
        let status = Mutex<Int32?>(nil)
    }

    /// Starts `command`, found through the search path; what it logs is appended to `log`.
    ///
    /// - Parameters:
    ///   - environment: What it has in its environment besides what the test has.
    ///   - descriptors: What it has open as 3 and the following.
    package init(
        _ command: [String], environment: [String: String] = [:], descriptors: [Int32] = [], log: String
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // Out of the way first, so that none is overwritten before it is its turn.
        let copies = descriptors.map { fcntl($0, F_DUPFD_CLOEXEC, 100) }
        defer { for copy in copies { close(copy) } }
        for (index, copy) in copies.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, copy, Int32(3 + index))
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = sigset_t()
        sigemptyset(&mask)
        posix_spawnattr_setsigmask(&attributes, &mask)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        let inherited = ProcessInfo.processInfo.environment
        let pairs = inherited.merging(environment) { _, added in added }.map { "\($0)=\($1)" }
        var variables: [UnsafeMutablePointer<CChar>?] = pairs.map { strdup($0) } + [nil]
        defer { for variable in variables { free(variable) } }
        var pid: pid_t = 0
        let result = posix_spawnp(&pid, command[0], &actions, &attributes, &arguments, &variables)
        guard result == 0 else { throw TestFailure("\(command[0]): \(String(cString: strerror(result)))") }
        self.pid = pid
        let state = State()
        self.state = state
        Thread.detachNewThread { [pid] in
            var status: Int32 = 0
            while waitpid(pid, &status, 0) == -1, errno == EINTR {}
            let ended = status & 0x7f
            let code = ended == 0 ? (status >> 8) & 0xff : 128 + ended
            state.status.withLock { $0 = code }
        }
    }

    /// The exit status, 128 and the signal's number more where one ended it; nil while it runs.
    package var status: Int32? { state.status.withLock { $0 } }

    /// Sends a signal, unless it has ended.
    package func kill(_ signal: Int32) {
        if status == nil { Glibc.kill(pid, signal) }
    }

    /// Waits for the end; kills it, and throws, after `seconds`.
    package func wait(seconds: Int) async throws -> Int32 {
        for _ in 0..<(seconds * 50) {
            if let status { return status }
            try await Task.sleep(for: .milliseconds(20))
        }
        kill(SIGKILL)
        throw TestFailure("process \(pid) did not end within \(seconds) s")
    }
}
