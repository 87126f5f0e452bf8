import CLinux
import Glibc
package import SystemPackage

/// A program to run to its end, with bounds on how long it takes and how much it says.
///
/// It runs in the daemon's namespaces and in a process group of its own, with nothing open but its standard streams.
package struct Program: Sendable {
    /// What is executed; no search path is looked at.
    package var path: FilePath
    /// What stands after the program's name.
    package var arguments: [String] = []
    /// All of its environment.
    package var environment: [String: String] = [:]
    /// What is on its standard input.
    package var input: [UInt8] = []
    /// How much it may write to its standard output, in bytes.
    package var outputLimit = 1 << 20
    /// How long it may run.
    package var timeout: Duration = .seconds(60)

    package init(_ path: FilePath) { self.path = path }

    /// How a program ended.
    package enum End: Sendable, Equatable {
        /// By itself, with this status.
        case exited(Int32)
        /// By a signal that was not ours.
        case signaled(Int32)
        /// Killed with its process group, because it took too long.
        case timedOut
        /// Killed with its process group, because it wrote too much.
        case tooMuchOutput
    }

    /// What came of it.
    package struct Outcome: Sendable {
        package let end: End
        /// Its standard output.
        package let output: [UInt8]
        /// Its standard error; what is beyond ``Program/outputLimit`` is left out.
        package let errors: [UInt8]
    }

    /// Runs it, and blocks until it has ended.
    ///
    /// What it leaves running is not waited for, and goes on, unless the whole process group was killed.
    ///
    /// - Throws: `.spawn` with execve(2)'s errors, such as `.noSuchFileOrDirectory`; what the system has against one
    ///   more process or descriptor.
    package func run() throws(SystemError) -> Outcome {
        let deadline = SystemTime.monotonic + timeout
        let standardInput = try inputFile()
        let output = try Pipe()
        let errors = try Pipe()
        let process = try spawn([standardInput.rawValue, output.writer.rawValue, errors.writer.rawValue])
        // With the last writer gone, its end is seen as the end of the file.
        var reading = Reading(output.reading(), errors.reading(), limit: outputLimit)
        let ending: Ending
        do throws(SystemError) {
            let descriptor = OwnedDescriptor(
                owning: try call(.openProcess, path) { clinux_process_descriptor(process) })
            ending = try reading.follow(descriptor, until: deadline, path: path)
        } catch {
            _ = clinux_kill_group(process)
            _ = try reap(process)
            throw error
        }
        // The group's number is the process's own until it is reaped, and so nobody else's.
        if ending != .byItself { _ = clinux_kill_group(process) }
        let end = try reap(process)
        return Outcome(
            end: ending == .late ? .timedOut : ending == .full ? .tooMuchOutput : end, output: reading.output,
            errors: reading.errors)
    }

    /// A file, not a pipe: a program that does not read its input cannot hold us up, nor send us SIGPIPE.
    private func inputFile() throws(SystemError) -> OwnedDescriptor {
        let file = OwnedDescriptor(
            owning: try call(.memoryFile, path) { unsafe "netnsd-input".withCString { unsafe clinux_memory_file($0) } })
        try file.writeAll(input, path: path)
        let rawValue = file.rawValue
        try call(.write, path) { clinux_rewind(rawValue) }
        return file
    }

    private func spawn(_ standard: [CInt]) throws(SystemError) -> CInt {
        let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        var attempts = 20
        while true {
            attempts -= 1
            do throws(SystemError) {
                return try call(.spawn, path) {
                    unsafe Self.withCStrings([path.string] + arguments) { arguments in
                        unsafe Self.withCStrings(variables) { variables in
                            unsafe path.withPlatformString { path in
                                unsafe standard.withUnsafeBufferPointer {
                                    unsafe clinux_spawn(path, arguments, variables, $0.baseAddress)
                                }
                            }
                        }
                    }
                }
            } catch  where error.errno == .textFileBusy && attempts > 0 {
                // The program is being written, by an upgrade.
                usleep(50_000)
            }
        }
    }

    /// Calls `body` with a vector as execve(2) takes it.
    private static func withCStrings<Result>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>?) -> Result
    ) -> Result {
        var pointers = unsafe strings.map { unsafe strdup($0) }
        unsafe pointers.append(nil)
        defer { unsafe pointers.forEach { unsafe free($0) } }
        return unsafe pointers.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
    }

    private func reap(_ process: CInt) throws(SystemError) -> End {
        var signal: CInt = 0
        let status = try call(.wait, path) { unsafe clinux_reap(process, &signal) }
        return signal == 0 ? .exited(status) : .signaled(signal)
    }
}

/// The two ends of a pipe, ours not blocking.
private struct Pipe: ~Copyable {
    let reader: OwnedDescriptor
    let writer: OwnedDescriptor

    init() throws(SystemError) {
        var (reader, writer): (CInt, CInt) = (-1, -1)
        try call(.pipe) { unsafe clinux_pipe(&reader, &writer) }
        self.reader = OwnedDescriptor(owning: reader)
        self.writer = OwnedDescriptor(owning: writer)
    }

    /// Closes the writer's end.
    consuming func reading() -> OwnedDescriptor { reader }
}

/// Why a program was not followed any further.
private enum Ending {
    case byItself
    case late
    case full
}

/// What a program writes, read as it is written.
private struct Reading: ~Copyable {
    private(set) var output: [UInt8] = []
    private(set) var errors: [UInt8] = []
    private let outputEnd: OwnedDescriptor
    private let errorsEnd: OwnedDescriptor
    private var (outputIsOpen, errorsAreOpen) = (true, true)
    private let limit: Int

    init(_ outputEnd: consuming OwnedDescriptor, _ errorsEnd: consuming OwnedDescriptor, limit: Int) {
        self.outputEnd = outputEnd
        self.errorsEnd = errorsEnd
        self.limit = limit
    }

    /// Reads until the process behind the pidfd has ended and what it had written is read, or a bound is met.
    mutating func follow(
        _ process: borrowing OwnedDescriptor, until deadline: Duration, path: FilePath
    ) throws(SystemError) -> Ending {
        while true {
            let rest = deadline - SystemTime.monotonic
            guard rest > .zero else { return .late }
            var waited = [
                pollfd(fd: outputIsOpen ? outputEnd.rawValue : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errorsAreOpen ? errorsEnd.rawValue : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: process.rawValue, events: Int16(POLLIN), revents: 0),
            ]
            let (seconds, attoseconds) = rest.components
            let milliseconds = CInt(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
            try call(.poll, path) {
                unsafe waited.withUnsafeMutableBufferPointer { buffer in
                    unsafe poll(buffer.baseAddress, nfds_t(buffer.count), milliseconds) < 0 ? -errno : 0
                }
            }
            let hasEnded = waited[2].revents != 0
            if hasEnded || waited[0].revents != 0 {
                outputIsOpen = try Self.drain(outputEnd, into: &output, limit: limit + 1, path: path)
            }
            if hasEnded || waited[1].revents != 0 {
                errorsAreOpen = try Self.drain(errorsEnd, into: &errors, limit: limit, path: path)
            }
            if output.count > limit { return .full }
            if hasEnded { return .byItself }
        }
    }

    /// Reads what is there, and keeps it up to `limit` bytes; false at the end of the file.
    private static func drain(
        _ end: borrowing OwnedDescriptor, into content: inout [UInt8], limit: Int, path: FilePath
    ) throws(SystemError) -> Bool {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 1)
        defer { unsafe buffer.deallocate() }
        let rawValue = end.rawValue
        // Bounded, for what a program leaves running may write for ever.
        for _ in 0..<64 {
            let count: CInt
            do throws(SystemError) {
                count = try call(.read, path) { unsafe clinux_read(rawValue, buffer.baseAddress, buffer.count) }
            } catch  where error.errno == .wouldBlock {
                return true
            }
            if count == 0 { return false }
            unsafe content.append(contentsOf: buffer.prefix(min(Int(count), limit - content.count)))
        }
        return true
    }
}
