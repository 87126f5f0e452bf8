import Glibc

/// What a connection keeps of its latest request. Whoever keeps a connection mostly asks for the same thing again, and
/// then gets the same answer again.
struct LatestRequest: ~Copyable {
    /// What the latest target was parsed from, and what it is.
    private var target: (raw: [UInt8], parsed: RequestTarget)?
    /// Which request for that target gets ``message`` again.
    private var recurrence: Recurrence?
    /// The latest answer of those that may recur.
    var message: Message?

    /// The longest target that is kept, in bytes, and the most segments and items of a query: one of many parts is not
    /// worth its memory for as long as the connection is open.
    private static let (longestTarget, mostParts) = (512, 16)

    /// What the target of a request is, and whether that of the one before it was the same.
    mutating func target(
        parsing raw: UnsafeRawBufferPointer
    ) throws(RequestTarget.Malformation) -> (RequestTarget, isRepeated: Bool) {
        if let target, unsafe areEqual(raw, target.raw) { return (target.parsed, true) }
        (target, recurrence) = (nil, nil)
        let parsed = unsafe try RequestTarget(parsing: raw)
        if parsed.segments.count + parsed.query.count <= Self.mostParts, raw.count <= Self.longestTarget {
            target = unsafe (Array(raw), parsed)
        }
        return (parsed, false)
    }

    /// Keeps an answer to a request for the latest target, and with what the next request gets it again, if it may.
    mutating func keep(_ response: Response, _ body: [UInt8], product: String?, _ recurrence: Recurrence?) {
        if message?.renew(for: response, body) != true { message = Message(response, body, product: product) }
        self.recurrence = target == nil || message == nil ? nil : recurrence
    }

    /// What to ask whether a request that repeats the latest target gets the latest answer again; nil where the request
    /// is another one.
    func answer(to section: () -> HeaderSection?) -> (any RecurringAnswer)? {
        guard let recurrence, let section = section(), recurrence.isOf(section) else { return nil }
        return recurrence.answer
    }
}

/// A request's header section, as libmicrohttpd has left it.
///
/// libmicrohttpd parses in place, and puts NULs for colons and lines' ends, so that requests that were written
/// differently may be left with the same bytes. Of those whose ``HeaderLayout`` is regular too the bytes say where each
/// part is, and are the same request.
@safe struct HeaderSection {
    /// From the method to behind the empty line.
    let bytes: UnsafeRawBufferPointer

    /// nil for one that is not regular.
    init?(_ bytes: UnsafeRawBufferPointer, _ layout: HeaderLayout) {
        guard layout.isRegular else { return nil }
        unsafe self.bytes = unsafe bytes
    }
}

/// The request that gets a kept answer again.
struct Recurrence: Sendable {
    /// The longest header section that is kept, in bytes.
    private static let longestSection = 1024

    private let bytes: [UInt8]
    /// Says whether it does.
    let answer: any RecurringAnswer

    /// nil where the section is not worth its memory.
    init?(of section: HeaderSection?, with answer: any RecurringAnswer) {
        guard let section, unsafe section.bytes.count <= Self.longestSection else { return nil }
        bytes = unsafe Array(section.bytes)
        self.answer = answer
    }

    func isOf(_ section: HeaderSection) -> Bool { unsafe areEqual(section.bytes, bytes) }
}

private func areEqual(_ raw: UnsafeRawBufferPointer, _ other: [UInt8]) -> Bool {
    guard raw.count == other.count else { return false }
    return unsafe other.withUnsafeBytes { other in
        guard let start = raw.baseAddress, let otherStart = other.baseAddress else { return true }
        // SAFETY: both have as many bytes.
        return unsafe memcmp(start, otherStart, raw.count) == 0
    }
}
