import MicroHTTP

/// The query of a request, with every parameter known and given once, or refused by name.
struct Query {
    private var values: [String: [UInt8]] = [:]

    init(_ target: RequestTarget, allowing names: [String]) throws(Problem) {
        for item in target.query {
            let name = String(decoding: item.name, as: UTF8.self)
            guard names.contains(name) else {
                let known = names.isEmpty ? "none" : names.joined(separator: ", ")
                throw Problem(.invalidParameter, "There is no such query parameter; there is \(known).", field: name)
            }
            guard values.updateValue(item.value, forKey: name) == nil else {
                throw Problem(.invalidParameter, "The query parameter is given twice.", field: name)
            }
        }
    }

    func bytes(_ name: String) -> [UInt8]? { values[name] }

    func flag(_ name: String) throws(Problem) -> Bool {
        guard let value = values[name] else { return false }
        guard let flag = Bool(String(decoding: value, as: UTF8.self)) else {
            throw Problem(.invalidParameter, "The value is true or false.", field: name)
        }
        return flag
    }

    func integer(_ name: String, in range: ClosedRange<Int>, default standard: Int) throws(Problem) -> Int {
        guard let value = values[name] else { return standard }
        guard let number = Int(String(decoding: value, as: UTF8.self)), range.contains(number) else {
            throw Problem(
                .invalidParameter, "The value is a whole number from \(range.lowerBound) to \(range.upperBound).",
                field: name)
        }
        return number
    }
}
