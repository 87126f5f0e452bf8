import CLinux
import SystemPackage

/// What of the program's and its libraries' files is mapped into memory.
package enum ResidentCode {
    /// Lets go of the pages of code and constants that the start has touched, most of which are not touched again. They
    /// stay in the page cache, and those that are wanted are mapped from there, some microseconds each 64 KiB.
    ///
    /// - Throws: `.open`, `.read` and `.advise`; then they stay.
    package static func forgetStart() throws(SystemError) {
        let maps = String(decoding: try FileSystem.read("/proc/self/smaps"), as: UTF8.self)
        for range in unchanged(in: maps) { try call(.advise) { clinux_forget(range.lowerBound, range.upperBound) } }
    }

    /// The read-only mappings of files that smaps of proc(5) shows to be what is in the file: not so where addresses
    /// were put in, or a debugger's or a probe's breakpoints, which would be lost.
    static func unchanged(in maps: String) -> [Range<UInt>] {
        var found: [Range<UInt>] = []
        var mapping: Range<UInt>?
        for line in maps.utf8.split(separator: UInt8(ascii: "\n")) {
            let fields = Substring(line).split(separator: " ", maxSplits: 5)
            if let range = fields.first.flatMap(range) {
                let isOfFile = fields.count == 6 && fields[5].drop { $0 == " " }.hasPrefix("/")
                mapping = isOfFile && fields[1].hasPrefix("r-") ? range : nil
            } else if fields.first == "Anonymous:" {
                if let mapping, fields.count > 1, fields[1] == "0" { found.append(mapping) }
                mapping = nil
            }
        }
        return found
    }

    /// `START-END`, in hexadecimal.
    private static func range(_ text: Substring) -> Range<UInt>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let start = UInt(ends[0], radix: 16), let end = UInt(ends[1], radix: 16), start < end
        else { return nil }
        return start..<end
    }
}
