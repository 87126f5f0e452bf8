import Foundation
import Glibc

/// What a process holds, as /proc shows it.
package struct Resources: Sendable, Equatable, CustomStringConvertible {
    package let descriptors: Int
    package let threads: Int
    package let mounts: Int

    /// Counts, of the mounts only those below `root`: other tests make and remove theirs meanwhile.
    package init(pid: Int32, mountsBelow root: String) throws {
        let manager = FileManager.default
        descriptors = try manager.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
        threads = try manager.contentsOfDirectory(atPath: "/proc/\(pid)/task").count
        mounts = try Self.mountPoints(pid: pid, below: root).count
    }

    package var description: String { "\(descriptors) descriptors, \(threads) threads, \(mounts) mounts" }

    /// Whether there is more of anything than there was. Less is no leak: idle threads of the runtime's pool end.
    ///
    /// - Parameter spareThreads: How many more threads that pool may have come to, after thousands of requests; one that
    ///   is left behind would be left behind more often.
    package func exceeds(_ earlier: Resources, spareThreads: Int = 0) -> Bool {
        descriptors > earlier.descriptors || threads > earlier.threads + spareThreads || mounts > earlier.mounts
    }

    /// The mount points below `root` that a process sees, with what is mounted twice twice.
    package static func mountPoints(pid: Int32 = getpid(), below root: String) throws -> [String] {
        try text("/proc/\(pid)/mountinfo").split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            return fields.count > 4 && fields[4].hasPrefix(root + "/") ? String(fields[4]) : nil
        }
    }

    /// The resident memory of a process in bytes.
    package static func residentMemory(pid: Int32) throws -> Int {
        let line = try text("/proc/\(pid)/status").split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        let kibibytes = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
        guard let kibibytes else { throw TestFailure("no VmRSS") }
        return kibibytes * 1024
    }

    /// Reads until there is no more: Foundation takes a short read, usual in /proc, for the end.
    private static func text(_ path: String) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw TestFailure("\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var content: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw TestFailure("\(path): \(String(cString: strerror(errno)))") }
            if count == 0 { return String(decoding: content, as: UTF8.self) }
            content += buffer[..<count]
        }
    }
}
