import Netlink

extension Query {
    /// The name of a link, which has to be there.
    func linkName(_ name: String) throws(Problem) -> LinkName {
        try parsed(name, as: LinkName.rule) { LinkName($0) }
    }

    /// A value that has to be there.
    ///
    /// - Parameter rule: What it must be, in words that continue "The value is".
    func parsed<Value>(_ name: String, as rule: String, _ parse: (String) -> Value?) throws(Problem) -> Value {
        guard let value = bytes(name).flatMap({ parse(String(decoding: $0, as: UTF8.self)) }) else {
            throw Problem(.invalidParameter, "The value is \(rule).", field: name)
        }
        return value
    }

    /// A whole number of 32 bits that may be left out.
    func number(_ name: String, in range: ClosedRange<UInt32>) throws(Problem) -> UInt32? {
        guard bytes(name) != nil else { return nil }
        return try parsed(name, as: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            UInt32(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// `inet`, unless told otherwise.
    func family() throws(Problem) -> IPAddress.Family { try choice("family") ?? .v4 }
}
