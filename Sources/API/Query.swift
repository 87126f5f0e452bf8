import MicroHTTP

/// The query of a request, with every parameter known, and given once unless it may be repeated, or refused by name.
struct Query {
    private var values: [String: [[UInt8]]] = [:]

    /// - Parameter bytes: The parameters whose values are parts of file names, and so need not be UTF-8 as others must.
    init(
        _ target: RequestTarget, allowing names: [String], repeatable: Set<String> = [], bytes: Set<String> = []
    ) throws(Problem) {
        for item in target.query {
            let name = String(decoding: item.name, as: UTF8.self)
            guard names.contains(name) else {
                let known = names.isEmpty ? "none" : names.joined(separator: ", ")
                throw Problem(.invalidParameter, "There is no such query parameter; there is \(known).", field: name)
            }
            guard bytes.contains(name) || String(validating: item.value, as: UTF8.self) != nil else {
                throw Problem(.invalidParameter, "The value is not UTF-8.", field: name)
            }
            guard values[name] == nil || repeatable.contains(name) else {
                throw Problem(.invalidParameter, "The query parameter is given twice.", field: name)
            }
            values[name, default: []].append(item.value)
        }
    }

    func bytes(_ name: String) -> [UInt8]? { values[name]?.first }

    /// The values of a parameter that may be repeated.
    func all(_ name: String) -> [[UInt8]] { values[name] ?? [] }

    /// One of a few words; nil where it is left out.
    func choice<Value: RawRepresentable & CaseIterable>(
        _ name: String
    ) throws(Problem) -> Value? where Value.RawValue == String {
        guard let bytes = bytes(name) else { return nil }
        guard let value = Value(rawValue: String(decoding: bytes, as: UTF8.self)) else {
            let words = Value.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem(.invalidParameter, "The value is one of \(words).", field: name)
        }
        return value
    }

    func flag(_ name: String) throws(Problem) -> Bool {
        guard let value = bytes(name) else { return false }
        guard let flag = Bool(String(decoding: value, as: UTF8.self)) else {
            throw Problem(.invalidParameter, "The value is true or false.", field: name)
        }
        return flag
    }

    func integer(_ name: String, in range: ClosedRange<Int>, default standard: Int) throws(Problem) -> Int {
        guard let value = bytes(name) else { return standard }
        guard let number = Int(String(decoding: value, as: UTF8.self)), range.contains(number) else {
            throw Problem(
                .invalidParameter, "The value is a whole number from \(range.lowerBound) to \(range.upperBound).",
                field: name)
        }
        return number
    }
}
