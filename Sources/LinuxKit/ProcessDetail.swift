import Glibc
import SystemPackage

/// A process, as someone who wonders what keeps a namespace busy wants to see it.
package struct ProcessDetail: Sendable, Equatable {
    package let pid: Int32
    /// The kernel's short name of it (`comm`): at most 15 bytes, and whatever the process likes.
    package let command: String
    /// Its command line; empty for a kernel thread and for a process that has none.
    package let arguments: [String]
    /// When it started, in clock ticks since the boot. With ``pid``, what tells it from every other of this boot.
    package let startTicks: UInt64
    /// When it started, since 1970-01-01T00:00:00Z; as exact as the boot time, which is in whole seconds.
    package let startedAt: Duration
}

extension ProcessTable {
    /// The processes that ``processes(inNetworkNamespace:)`` finds, looked at closer; one that ends meanwhile is left
    /// out.
    package static func details(inNetworkNamespace inode: UInt64) throws(SystemError) -> [ProcessDetail] {
        let link = link(toNetworkNamespace: inode)
        let clock = try BootClock.read()
        var details: [ProcessDetail] = []
        for pid in try processes(inNetworkNamespace: inode) {
            guard let process = try status(of: pid), let arguments = try arguments(of: pid), try isInside(pid, link),
                // A number is reused; the same start says that all of the above was of one process.
                try status(of: pid)?.startTicks == process.startTicks
            else { continue }
            details.append(
                ProcessDetail(
                    pid: pid, command: String(decoding: process.command, as: UTF8.self), arguments: arguments,
                    startTicks: process.startTicks, startedAt: clock.time(ofTicks: process.startTicks)))
        }
        return details
    }

    /// The network namespace of a process, more exactly of its main thread.
    ///
    /// - Throws: `.statx` with `.noSuchFileOrDirectory` or `.noSuchProcess` when there is no such process, or it is a
    ///   zombie; with `.permissionDenied` when it may not be looked at (`CAP_SYS_PTRACE`).
    package static func networkNamespace(
        ofProcess pid: Int32
    ) throws(SystemError) -> (device: UInt64, inode: UInt64) {
        let node = try Node.at(FilePath("/proc/\(pid)/ns/net"))
        return (node.device, node.inode)
    }

    private static func status(of pid: Int32) throws(SystemError) -> ProcessStatus? {
        try unlessEnded(FilePath("/proc/\(pid)/stat")).flatMap(ProcessStatus.init(parsing:))
    }

    private static func arguments(of pid: Int32) throws(SystemError) -> [String]? {
        try unlessEnded(FilePath("/proc/\(pid)/cmdline")).map(arguments(parsing:))
    }

    /// Splits what `/proc/PID/cmdline` holds: each argument ends with a NUL, unless the process has overwritten them.
    static func arguments(parsing content: [UInt8]) -> [String] {
        guard !content.isEmpty else { return [] }
        let line = content.last == 0 ? content.dropLast() : content[...]
        return line.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    }

    /// nil for the file of a process that has ended.
    private static func unlessEnded(_ path: FilePath) throws(SystemError) -> [UInt8]? {
        do throws(SystemError) {
            return try FileSystem.read(path)
        } catch  where [.noSuchFileOrDirectory, .noSuchProcess].contains(error.errno) {
            return nil
        }
    }
}

/// What is used of `/proc/PID/stat` (proc_pid_stat(5)).
struct ProcessStatus: Equatable {
    let command: [UInt8]
    let startTicks: UInt64

    /// `PID (COMMAND) STATE …`; nil for another form.
    ///
    /// The command may contain spaces and parentheses, even `) R 1 (`. Nothing after it does, so the last parenthesis
    /// ends it.
    init?(parsing content: [UInt8]) {
        guard let start = content.firstIndex(of: UInt8(ascii: "(")), let end = content.lastIndex(of: UInt8(ascii: ")")),
            start < end
        else { return nil }
        command = Array(content[(start + 1)..<end])
        let fields = content[(end + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        // The first of these is the manual's field 3, the start its field 22.
        guard fields.count > 22 - 3, let ticks = UInt64(String(decoding: fields[22 - 3], as: UTF8.self)) else {
            return nil
        }
        startTicks = ticks
    }
}

/// Turns the kernel's ticks since the boot into wall-clock time.
struct BootClock: Equatable {
    /// Seconds since 1970-01-01T00:00:00Z; follows when the clock is set.
    let bootTime: Int64
    let ticksPerSecond: Int64

    static func read() throws(SystemError) -> BootClock {
        let path: FilePath = "/proc/stat"
        guard
            let clock = BootClock(parsing: try FileSystem.read(path), ticksPerSecond: Int64(sysconf(CInt(_SC_CLK_TCK))))
        else { throw SystemError(.parse, path, errno: .badMessage) }
        return clock
    }

    init?(parsing content: [UInt8], ticksPerSecond: Int64) {
        let prefix = Array("btime ".utf8)
        let line = content.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: prefix) }
        guard ticksPerSecond > 0,
            let bootTime = line.flatMap({ Int64(String(decoding: $0.dropFirst(prefix.count), as: UTF8.self)) })
        else { return nil }
        self.bootTime = bootTime
        self.ticksPerSecond = ticksPerSecond
    }

    func time(ofTicks ticks: UInt64) -> Duration {
        .seconds(bootTime) + .seconds(1) * Int64(clamping: ticks) / ticksPerSecond
    }
}
