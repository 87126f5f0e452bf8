extension String {
    /// The text that the bytes are in UTF-8; nil when they are none.
    ///
    /// `String(validating:as:)` is the same, but generic code, and ten times as long on the way where all are ASCII.
    package init?(utf8 bytes: ArraySlice<UInt8>) {
        if bytes.allSatisfy({ $0 < 0x80 }) {
            self.init(decoding: bytes, as: UTF8.self)
        } else {
            self.init(validating: bytes, as: UTF8.self)
        }
    }
}
