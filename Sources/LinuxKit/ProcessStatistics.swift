import Glibc
import SystemPackage

/// What this process uses of the host, as procfs tells (proc(5)).
///
/// Reading it waits for nobody: it is memory of the kernel's, so it may be read on any thread.
package struct ProcessStatistics: Sendable {
    /// In user and kernel mode, of all threads, in seconds.
    package let processorSeconds: Double
    package let threads: Int
    package let virtualBytes: Int
    package let residentBytes: Int
    package let openDescriptors: Int
    /// The soft limit of open descriptors, nil for none.
    package let mostDescriptors: UInt64?
    /// Since 1970, in seconds.
    package let startSeconds: Double

    package static func read() throws(SystemError) -> ProcessStatistics {
        let path: FilePath = "/proc/self/stat"
        let malformed = SystemError(.parse, path, errno: .invalidArgument)
        let stat = String(decoding: try FileSystem.read(path), as: UTF8.self)
        // The name, which comes second and in parentheses, may have spaces and parentheses in it.
        guard let end = stat.lastIndex(of: ")") else { throw malformed }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        // As proc(5) numbers them; the first after the name is field 3.
        func field(_ number: Int) -> Int? { fields.indices.contains(number - 3) ? Int(fields[number - 3]) : nil }
        guard let user = field(14), let system = field(15), let threads = field(20), let start = field(22),
            let virtual = field(23), let resident = field(24)
        else { throw malformed }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        return ProcessStatistics(
            processorSeconds: Double(user + system) / ticks, threads: threads, virtualBytes: virtual,
            residentBytes: resident * sysconf(Int32(_SC_PAGESIZE)),
            // Less the one that the directory is read with.
            openDescriptors: try FileSystem.names(in: "/proc/self/fd").count - 1,
            mostDescriptors: descriptorLimit,
            startSeconds: try bootSeconds() + Double(start) / ticks)
    }

    /// The soft limit of open descriptors, nil for none.
    static var descriptorLimit: UInt64? {
        var limit = rlimit()
        let isKnown = unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0
        return isKnown && limit.rlim_cur != .max ? UInt64(limit.rlim_cur) : nil
    }

    private static func bootSeconds() throws(SystemError) -> Double {
        let path: FilePath = "/proc/stat"
        let text = String(decoding: try FileSystem.read(path), as: UTF8.self)
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }),
            let seconds = Double(line.dropFirst("btime ".count))
        else { throw SystemError(.parse, path, errno: .invalidArgument) }
        return seconds
    }
}
