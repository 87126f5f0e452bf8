import LinuxKit

/// Writes metrics in Prometheus' text format, version 0.0.4.
struct Exposition {
    /// What a metric is.
    enum Kind: String {
        case counter
        case gauge
        case histogram
    }

    typealias Labels = KeyValuePairs<String, String>

    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private(set) var text: [UInt8] = []

    init() {
        text.reserveCapacity(32 * 1024)
    }

    /// Says what the samples that follow are. A metric's samples stand together.
    mutating func metric(_ name: String, _ kind: Kind, _ help: String) {
        append("# HELP \(name) \(Self.escaped(help))\n# TYPE \(name) \(kind.rawValue)\n")
    }

    mutating func sample(_ name: String, _ value: some BinaryInteger, _ labels: Labels = [:]) {
        append("\(name)\(Self.text(of: Array(labels))) \(value)\n")
    }

    mutating func sample(_ name: String, _ value: Double, _ labels: Labels = [:]) {
        append("\(name)\(Self.text(of: Array(labels))) \(Self.text(of: value))\n")
    }

    /// A metric that is one number.
    mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: some BinaryInteger) {
        metric(name, kind, help)
        sample(name, value)
    }

    /// The samples of a histogram of seconds.
    mutating func histogram(_ name: String, _ reading: DurationTally.Reading, _ labels: Labels = [:]) {
        let labels = Array(labels)
        var count: UInt64 = 0
        for (bound, each) in zip(Self.bounds, reading.counts) {
            count += each
            append("\(name)_bucket\(Self.text(of: labels + [("le", bound)])) \(count)\n")
        }
        let seconds = Double(reading.nanoseconds) / 1e9
        append("\(name)_sum\(Self.text(of: labels)) \(Self.text(of: seconds))\n")
        append("\(name)_count\(Self.text(of: labels)) \(count)\n")
    }

    private static let bounds = DurationTally.bounds.map { text(of: Double($0) / 1e9) } + ["+Inf"]

    private mutating func append(_ line: String) {
        text.append(contentsOf: line.utf8)
    }

    private static func text(of value: Double) -> String {
        let text = "\(value)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    private static func text(of labels: [(key: String, value: String)]) -> String {
        guard !labels.isEmpty else { return "" }
        let pairs = labels.map { "\($0.key)=\"\(escaped($0.value).replacing("\"", with: "\\\""))\"" }
        return "{\(pairs.joined(separator: ","))}"
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
    }
}
