/// A version of the CNI specification, such as 1.0.0.
package struct SpecVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    private let numbers: [UInt64]
    /// As it was written.
    package let description: String

    /// nil unless `text` is three numbers with points between them; nothing at all is 0.1.0, as for libcni.
    package init?(_ text: String) {
        let text = text.isEmpty ? "0.1.0" : text
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in part.first?.isNumber == true ? UInt64(part) : nil }
        guard numbers.count == 3, parts.count == 3 else { return nil }
        self.numbers = numbers
        description = text
    }

    private init(_ major: UInt64, _ minor: UInt64, _ patch: UInt64) {
        numbers = [major, minor, patch]
        description = "\(major).\(minor).\(patch)"
    }

    /// The first whose ADD has a result as later ones, and whose DEL gets the cached result; the first with CHECK.
    static let v0_4_0 = SpecVersion(0, 4, 0)
    /// The first with GC and STATUS, and the newest that is known here.
    static let v1_1_0 = SpecVersion(1, 1, 0)
    /// The versions whose results can be read here.
    static let known = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"].compactMap(SpecVersion.init)

    package static func == (left: SpecVersion, right: SpecVersion) -> Bool { left.numbers == right.numbers }
    package func hash(into hasher: inout Hasher) { hasher.combine(numbers) }
    package static func < (left: SpecVersion, right: SpecVersion) -> Bool {
        left.numbers.lexicographicallyPrecedes(right.numbers)
    }
}
