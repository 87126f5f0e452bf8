/// A short stand-in for a request's content, the same in every run: two 64-bit FNV-1a hashes from different starts, and
/// the length.
///
/// It tells a client's retry from its mistake. It is no defence: a client that makes two requests collide gets an
/// answer of its own back.
package struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
    /// As hexadecimal digits.
    package let description: String

    package init(of parts: [[UInt8]]) {
        var (first, second): (UInt64, UInt64) = (0xcbf2_9ce4_8422_2325, 0x6c62_272e_07bb_0142)
        var count = 0
        for part in parts {
            for byte in part + [0xff] {
                first = (first ^ UInt64(byte)) &* 0x100_0000_01b3
                second = (second ^ UInt64(byte)) &* 0x100_0000_01b3
                count += 1
            }
        }
        description = [first, second, UInt64(count)].map { String($0, radix: 16) }.joined(separator: "-")
    }

    /// nil unless `text` has the form of a description.
    package init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.allSatisfy({ UInt64($0, radix: 16) != nil }) else { return nil }
        description = text
    }
}
