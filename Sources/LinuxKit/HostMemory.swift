import SystemPackage

/// How much memory the host has.
package enum HostMemory {
    /// How many bytes can be had without swapping, by the kernel's estimate: `MemAvailable` of proc_meminfo(5). nil
    /// where procfs does not tell.
    @Sendable package static func available() -> UInt64? {
        guard let content = try? FileSystem.read("/proc/meminfo") else { return nil }
        let name = Array("MemAvailable:".utf8)
        guard let line = content.split(separator: UInt8(ascii: "\n")).first(where: { $0.starts(with: name) }) else {
            return nil
        }
        let digits = line.dropFirst(name.count).drop { $0 == UInt8(ascii: " ") }.prefix { $0 != UInt8(ascii: " ") }
        return UInt64(String(decoding: digits, as: UTF8.self)).map { $0 * 1024 }
    }
}
