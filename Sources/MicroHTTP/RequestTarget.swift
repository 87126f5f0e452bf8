/// A request's path and query (RFC 9112, section 3.2), split first and decoded after, so that an encoded separator
/// never separates.
public struct RequestTarget: Sendable, Hashable {
    /// The decoded bytes of each path segment: `/v1/a%2Fb` has the segments `v1` and `a/b`. They need not be UTF-8.
    public let segments: [[UInt8]]
    /// The names and values of the query, in order.
    public let query: [QueryItem]
    /// Whom the target is for, where it says so itself (absolute-form); the server sees to it that this is what `Host`
    /// says.
    let origin: Origin?

    /// Of what tells most targets apart; `==` compares all of it.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(segments.last)
        hasher.combine(query)
    }

    /// The scheme and the authority of an absolute-form target.
    struct Origin: Sendable, Hashable {
        let isSecure: Bool
        let authority: [UInt8]
    }

    /// One `name=value` of a query.
    public struct QueryItem: Sendable, Hashable {
        /// The decoded name.
        public let name: [UInt8]
        /// The decoded value; empty where there is no `=`.
        public let value: [UInt8]
    }

    /// What makes a target unacceptable.
    public enum Malformation: Error, Equatable {
        /// Neither a path (origin-form) nor an `http://` or `https://` address with one (absolute-form).
        case notAPath
        /// An absolute-form target with user information, or with something else that no host and port have.
        case badAuthority
        /// `%` without two hexadecimal digits after it.
        case badEscape
        /// A byte that must be escaped, or a `#`, or `%00`: no resource has it in its name.
        case forbiddenByte
        /// A `.` or `..` segment, encoded or not. We resolve none, and whoever sends one hopes that somebody does.
        case dotSegment
    }

    /// Splits and decodes a target as it stood in the request line.
    public init(parsing raw: some Collection<UInt8>) throws(Malformation) {
        // Bytes of one kind, so that there is one copy of what follows.
        let (origin, target) = try Self.originForm(Array(raw)[...])
        self.origin = origin
        let mark = target.firstIndex(of: UInt8(ascii: "?")) ?? target.endIndex
        var segments: [[UInt8]] = []
        segments.reserveCapacity(4)
        var start = target.startIndex + 1
        for index in start...mark where index >= mark || target[index] == UInt8(ascii: "/") {
            let decoded = try Self.decode(target[start..<index])
            guard !Self.isDots(decoded) else { throw .dotSegment }
            segments.append(decoded)
            start = index + 1
        }
        self.segments = segments

        var query: [QueryItem] = []
        for item in target[mark...].dropFirst().split(separator: UInt8(ascii: "&")) {
            let sides = item.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            query.append(
                QueryItem(name: try Self.decode(sides[0]), value: sides.count == 2 ? try Self.decode(sides[1]) : []))
        }
        self.query = query
    }

    /// The path and query of a target, which a proxy may send with scheme and authority before them.
    private static func originForm(
        _ raw: ArraySlice<UInt8>
    ) throws(Malformation) -> (Origin?, ArraySlice<UInt8>) {
        if raw.first == UInt8(ascii: "/") { return (nil, raw) }
        for (scheme, isSecure) in [("http://", false), ("https://", true)] {
            guard raw.prefix(scheme.utf8.count).map({ $0 | 0x20 }) == scheme.utf8.map({ $0 | 0x20 }) else { continue }
            let rest = raw.dropFirst(scheme.utf8.count)
            guard let slash = rest.firstIndex(of: UInt8(ascii: "/")), slash != rest.startIndex else { throw .notAPath }
            let authority = Array(rest[..<slash])
            guard !authority.contains(where: { "@?#%\\".utf8.contains($0) }) else { throw .badAuthority }
            return (Origin(isSecure: isSecure, authority: authority), rest[slash...])
        }
        throw .notAPath
    }

    private static func isDots(_ segment: [UInt8]) -> Bool {
        let dot = UInt8(ascii: ".")
        return segment.count == 1 && segment[0] == dot || segment.count == 2 && segment[0] == dot && segment[1] == dot
    }

    /// Undoes percent-encoding (RFC 3986, section 2.1). `+` stays a plus: it is a space in forms alone.
    private static func decode(_ raw: ArraySlice<UInt8>) throws(Malformation) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(raw.count)
        var index = raw.startIndex
        while index < raw.endIndex {
            var byte = raw[index]
            guard byte > 0x20, byte < 0x7f, byte != UInt8(ascii: "#") else { throw .forbiddenByte }
            index += 1
            if byte == UInt8(ascii: "%") {
                guard raw.endIndex - index >= 2, let high = digit(raw[index]), let low = digit(raw[index + 1]) else {
                    throw .badEscape
                }
                byte = high << 4 | low
                guard byte != 0 else { throw .forbiddenByte }
                index += 2
            }
            bytes.append(byte)
        }
        return bytes
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
