/// Whether a header section was written as RFC 9112 has it written, told from where libmicrohttpd left its parts.
///
/// libmicrohttpd parses in place, and forgives much without a word: it takes a bare LF or CR for a line's end, a NUL
/// for a value's, and joins folded lines. Each leaves a trace: it puts one NUL for a bare LF or CR and two for CR LF, a
/// value ends before the line does, and a joined value is elsewhere. So the parts of a regular message lie exactly one
/// after the other, from the method to the empty line, and of any other they do not; but that NUL LF passes for CR LF, and
/// a line of a colon alone, ended by LF, for the empty line.
///
/// Addresses are compared, as numbers, and nothing is read through them.
struct HeaderLayout {
    /// Where the next part must begin.
    private var next: UInt
    private(set) var isRegular: Bool

    /// A part, by its address and its length without what ends it.
    struct Part {
        let address: UInt
        let count: Int

        /// The address behind it.
        var end: UInt { address &+ UInt(count) }
    }

    /// How many bytes a line's end has: CR LF.
    private static let lineEnd: UInt = 2

    /// Begins with the request line: its three parts have one space between them.
    init(method: Part, target: Part, version: Part) {
        isRegular = target.address == method.end &+ 1 && version.address == target.end &+ 1
        next = version.end &+ Self.lineEnd
    }

    /// Goes on with a field. What is between its colon and its value is white space, unless the value is elsewhere.
    mutating func field(name: Part, value: Part, spaces: Int) {
        if name.address != next || value.address != name.end &+ 1 &+ UInt(spaces) { isRegular = false }
        next = value.end &+ Self.lineEnd
    }

    /// Ends with the empty line, behind which `end` is.
    mutating func finish(at end: UInt) {
        if next &+ Self.lineEnd != end { isRegular = false }
    }
}
