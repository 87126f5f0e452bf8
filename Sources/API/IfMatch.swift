import NamespaceCore

extension Precondition {
    /// What the value of `If-Match` asks for: `*`, or a list of entity tags, of which a weak one never matches (RFC
    /// 9110, section 13.1.1). nil for anything else.
    init?(ifMatch text: String) {
        self.init(text, countingWeak: false)
    }

    /// The same of `If-None-Match`, where a weak tag matches as any other (section 13.1.2).
    init?(ifNoneMatch text: String) {
        self.init(text, countingWeak: true)
    }

    private init?(_ text: String, countingWeak: Bool) {
        var rest = Array(text.utf8)[...]
        var (tags, isList): ([String], Bool) = ([], false)
        while true {
            // Elements may be empty (section 5.6.1).
            rest = rest.drop { $0 == UInt8(ascii: ",") || Self.isSpace($0) }
            if rest.isEmpty { break }
            if !isList, rest.first == UInt8(ascii: "*"), rest.dropFirst().allSatisfy(Self.isSpace) {
                self = .any
                return
            }
            let isWeak = rest.starts(with: "W/".utf8)
            guard let tag = Self.takeTag(from: isWeak ? rest.dropFirst(2) : rest, leaving: &rest) else { return nil }
            if !isWeak || countingWeak { tags.append(tag) }
            isList = true
        }
        guard isList else { return nil }
        self = .tags(tags)
    }

    /// A quoted tag, without its quotes, and what comes behind it: nothing or a comma. A tag may have commas of its
    /// own.
    private static func takeTag(from text: ArraySlice<UInt8>, leaving rest: inout ArraySlice<UInt8>) -> String? {
        let quote = UInt8(ascii: "\"")
        guard text.first == quote else { return nil }
        let tag = text.dropFirst().prefix { $0 != quote && (0x21...0x7e).contains($0) }
        let end = text[tag.endIndex...]
        guard end.first == quote else { return nil }
        rest = end.dropFirst().drop(while: Self.isSpace)
        guard rest.isEmpty || rest.first == UInt8(ascii: ",") else { return nil }
        return String(decoding: tag, as: UTF8.self)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
