import JSONText

/// A name in the mount directory: any file name, since other tools make names too.
///
/// iproute2 allows every file name but `.` and `..`; we create far fewer (``isCreatable``) but list, show and delete
/// them all.
package struct NamespaceName: Sendable, Hashable {
    /// The file name's bytes, which need not be UTF-8.
    package let bytes: [UInt8]

    /// nil unless `bytes` are a file name: 1 to 255 bytes, no `/`, no NUL, neither `.` nor `..`.
    package init?(bytes: [UInt8]) {
        let isDots = bytes.count <= 2 && bytes.allSatisfy { $0 == UInt8(ascii: ".") }
        guard (1...255).contains(bytes.count), !bytes.contains(0), !bytes.contains(UInt8(ascii: "/")), !isDots else {
            return nil
        }
        self.bytes = bytes
    }

    /// Whether we make namespaces of this name: `[A-Za-z0-9][A-Za-z0-9_.-]*`, up to 64 bytes.
    package var isCreatable: Bool {
        bytes.count <= Self.longest && Self.isCreatable(bytes[...])
    }

    /// What ``isCreatable`` asks for, in words for a person.
    package static let rule = "1 to 64 of the characters A-Z a-z 0-9 _ . -, the first a letter or a digit"

    static let longest = 64

    private static func isCreatable(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.first, isAlphanumeric(first) else { return false }
        return bytes.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
    }

    package static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}

// MARK: - Generated names

extension NamespaceName {
    /// The prefix of generated names where the client asks for no other; the seed's.
    package static let defaultPrefix = "cni"

    /// The longest prefix that leaves room for the generated part, in bytes.
    package static let longestPrefix = longest - "-6f1e0c1a-58f4-4f0e-9d0b-0123456789ab".utf8.count

    /// What a prefix must be, in words for a person.
    package static let prefixRule =
        "1 to \(longestPrefix) of the characters A-Z a-z 0-9 _ . -, the first a letter or a digit"

    /// Whether generated names may begin with `prefix`.
    package static func isPrefix(_ prefix: String) -> Bool {
        let bytes = Array(prefix.utf8)
        return bytes.count <= longestPrefix && isCreatable(bytes[...])
    }

    /// A new name, such as `cni-6f1e0c1a-58f4-4f0e-9d0b-0123456789ab`: the prefix and 128 random bits in the shape of a
    /// UUID, as the seed makes them.
    package static func generate(prefix: String) -> NamespaceName? {
        var generator = SystemRandomNumberGenerator()
        let digits = (0..<2).map { _ in
            let word = String(generator.next(), radix: 16)
            return String(repeating: "0", count: 16 - word.count) + word
        }.joined()
        var groups: [Substring] = []
        var rest = digits[...]
        for length in [8, 4, 4, 4, 12] {
            groups.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return NamespaceName(bytes: Array("\(prefix)-\(groups.joined(separator: "-"))".utf8))
    }
}

// MARK: - As text

extension NamespaceName: Comparable {
    /// Byte order.
    package static func < (left: NamespaceName, right: NamespaceName) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}

extension NamespaceName: CustomStringConvertible {
    /// The name, or, where it is not UTF-8, its bytes with `%` and all that is not visible ASCII percent-encoded.
    package var description: String {
        String(utf8: bytes[...]) ?? percentEncoded { (0x21...0x7e).contains($0) }
    }

    /// The name as a URL path segment (RFC 3986, section 2.3): only unreserved characters stand for themselves.
    package var pathSegment: String {
        percentEncoded { Self.isAlphanumeric($0) || "-._~".utf8.contains($0) }
    }

    /// The name that ``pathSegment`` wrote; nil when it is none.
    package init?(pathSegment: String) {
        var bytes: [UInt8] = []
        var rest = Substring(pathSegment).utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%") {
                guard let value = UInt8(String(Substring(rest.prefix(2))), radix: 16) else { return nil }
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        self.init(bytes: bytes)
    }

    private func percentEncoded(except isPlain: (UInt8) -> Bool) -> String {
        var text: [UInt8] = []
        for byte in bytes {
            if isPlain(byte), byte != UInt8(ascii: "%") {
                text.append(byte)
            } else {
                let digits = Array("0123456789ABCDEF".utf8)
                text += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
