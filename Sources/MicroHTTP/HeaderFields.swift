public import HTTPTypes

/// Header fields in their order, found by going through them: a message has few, and the index that `HTTPFields` makes
/// for its first look-up costs more than the rest of a small request.
public struct HeaderFields: Sendable, Equatable {
    /// One line of a header section.
    public struct Field: Sendable {
        /// What it is called, in whatever case.
        public let name: HTTPField.Name
        /// What it says, without white space around it.
        public let value: String

        /// Makes a field; what sends it leaves out one whose value has a line's end in it.
        public init(name: HTTPField.Name, value: String) {
            self.name = name
            self.value = value
        }
    }

    private var fields: [Field]

    /// Room for the fields that requests have.
    init(capacity: Int) {
        fields = []
        fields.reserveCapacity(capacity)
    }

    /// The value; those of several fields of the name joined by a comma (RFC 9110, section 5.3). What is set takes the
    /// place of every field of the name.
    public subscript(name: HTTPField.Name) -> String? {
        get {
            guard let first = fields.firstIndex(where: { $0.name == name }) else { return nil }
            let others = fields[(first + 1)...].filter { $0.name == name }
            return others.isEmpty
                ? fields[first].value : ([fields[first]] + others).map(\.value).joined(separator: ", ")
        }
        set {
            fields.removeAll { $0.name == name }
            if let newValue { append(name, newValue) }
        }
    }

    /// Adds a field at the end, be there others of the name or not.
    public mutating func append(_ name: HTTPField.Name, _ value: String) {
        fields.append(Field(name: name, value: value))
    }
}

extension HeaderFields.Field: Equatable {
    /// Whether they are sent as the same bytes.
    public static func == (left: Self, right: Self) -> Bool {
        left.name.rawName == right.name.rawName && left.value.utf8.elementsEqual(right.value.utf8)
    }
}

extension HeaderFields: ExpressibleByDictionaryLiteral {
    /// Holds the fields in the literal's order; a name may be there more than once.
    public init(dictionaryLiteral elements: (HTTPField.Name, String)...) {
        fields = elements.map { Field(name: $0.0, value: $0.1) }
    }
}

extension HeaderFields: RandomAccessCollection {
    /// The first field's place.
    public var startIndex: Int { fields.startIndex }
    /// The place behind the last field.
    public var endIndex: Int { fields.endIndex }
    /// The field at a place.
    public subscript(position: Int) -> Field { fields[position] }
}

extension HeaderFields {
    /// The names that most requests have, in lower case, so that none need be made of their bytes each time.
    private static let common: [(spelling: [UInt8], name: HTTPField.Name)] =
        ([
            .host, .userAgent, .accept, .contentType, .contentLength, .authorization, .connection, .acceptEncoding,
            .transferEncoding, .origin, .ifMatch,
        ] as [HTTPField.Name]).map { (Array($0.canonicalName.utf8), $0) }

    /// The name that is spelt like that, in whatever case; nil when it is no token.
    static func name(_ spelling: UnsafeRawBufferPointer) -> HTTPField.Name? {
        for (common, name) in common where common.count == spelling.count {
            // SAFETY: both have as many bytes.
            let isSame = unsafe common.withUnsafeBytes { common in
                for index in 0..<common.count where unsafe common[index] != lowercase(spelling[index]) { return false }
                return true
            }
            if isSame { return name }
        }
        return unsafe HTTPField.Name(String(decoding: spelling, as: UTF8.self))
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
}
