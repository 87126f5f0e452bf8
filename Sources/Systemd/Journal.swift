import Glibc
package import SystemPackage

/// The journal at the end of a standard stream.
package enum Journal {
    /// Whether `descriptor` is the very stream that systemd connected to the journal (`JOURNAL_STREAM` of
    /// systemd.exec(5)), and not a pipe or file that somebody put in its place.
    package static func receives(_ descriptor: FileDescriptor, environment: [String: String]) -> Bool {
        let parts = environment["JOURNAL_STREAM"]?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        guard parts.count == 2, let device = UInt64(parts[0]), let inode = UInt64(parts[1]) else { return false }
        var status = stat()
        guard unsafe fstat(descriptor.rawValue, &status) == 0 else { return false }
        return UInt64(status.st_dev) == device && UInt64(status.st_ino) == inode
    }
}
