import Foundation

/// Metrics in Prometheus' text format, parsed strictly: what the format merely allows, and Prometheus' naming advises
/// against, is an error as well.
package struct Exposition: Sendable {
    /// One line that is no comment.
    package struct Sample: Sendable {
        package let name: String
        package let labels: [String: String]
        package let value: Double
    }

    private struct Family {
        let name: String
        let kind: String
        var samples: [Sample] = []
    }

    package let samples: [Sample]
    /// What is what, by the metric's name.
    package let kinds: [String: String]

    package init(parsing text: String) throws {
        guard text.hasSuffix("\n"), !text.contains("\r") else { throw TestFailure("no newline at the end, or a CR") }
        var families: [Family] = []
        var lines = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)[...]
        while let help = lines.popFirst() {
            guard let header = help.wholeMatch(of: #/# HELP ([a-z][a-z0-9_]*) (\S.*)/#) else {
                guard !families.isEmpty else { throw TestFailure("a sample before any HELP: \(help)") }
                families[families.count - 1].samples.append(try Self.sample(help))
                continue
            }
            guard let type = lines.popFirst()?.wholeMatch(of: #/# TYPE ([a-z][a-z0-9_]*) (counter|gauge|histogram)/#),
                type.1 == header.1, !families.contains(where: { $0.name == header.1 })
            else { throw TestFailure("\(header.1): no TYPE after its HELP, or twice") }
            families.append(Family(name: String(type.1), kind: String(type.2)))
        }
        for family in families { try Self.check(family) }
        samples = families.flatMap(\.samples)
        kinds = Dictionary(uniqueKeysWithValues: families.map { ($0.name, $0.kind) })
    }

    /// The sum of the samples that have the name and, besides others, these labels; nil where there is none.
    package func sum(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        let meant = samples.filter { sample in
            sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value }
        }
        return meant.isEmpty ? nil : meant.reduce(0) { $0 + $1.value }
    }

    private static func sample(_ line: Substring) throws -> Sample {
        guard let match = line.wholeMatch(of: #/([a-z][a-z0-9_]*)(?:\{(.*)\})? (\S+)/#),
            match.3.wholeMatch(of: #/\d+(\.\d+)?(e[+-]?\d+)?/#) != nil, let value = Double(match.3)
        else { throw TestFailure("no sample: \(line)") }
        var labels: [String: String] = [:]
        var rest = match.2 ?? ""
        while !rest.isEmpty {
            guard let label = rest.prefixMatch(of: #/([a-z][a-z0-9_]*)="((?:[^"\\]|\\[\\n"])*)"(,(?=.)|$)/#),
                labels.updateValue(String(label.2), forKey: String(label.1)) == nil
            else { throw TestFailure("no labels, or one twice: \(line)") }
            rest = rest[label.range.upperBound...]
        }
        return Sample(name: String(match.1), labels: labels, value: value)
    }

    private static func check(_ family: Family) throws {
        let name = family.name
        guard (family.kind == "counter") == name.hasSuffix("_total") else {
            throw TestFailure("\(name): counters, and nothing else, end in _total")
        }
        for unit in ["_ms", "_milliseconds", "_us", "_kilobytes", "_count", "_sum", "_bucket"]
        where name.hasSuffix(unit) {
            throw TestFailure("\(name): no base unit, or a reserved ending")
        }
        guard Set(family.samples.map { [$0.name: $0.labels] }).count == family.samples.count else {
            throw TestFailure("\(name): a series twice")
        }
        guard family.kind == "histogram" else {
            guard family.samples.allSatisfy({ $0.name == name }) else { throw TestFailure("\(name): strange samples") }
            return
        }
        guard name.hasSuffix("_seconds") || name.hasSuffix("_bytes") else { throw TestFailure("\(name): no unit") }
        let series = Dictionary(grouping: family.samples) { $0.labels.filter { $0.key != "le" } }
        for (labels, samples) in series { try checkHistogram(name, samples, "\(name) \(labels)") }
    }

    private static func checkHistogram(_ name: String, _ samples: [Sample], _ place: String) throws {
        let buckets = samples.filter { $0.name == name + "_bucket" }
        let bounds = buckets.map { $0.labels["le"] ?? "" }
        guard bounds.last == "+Inf", let last = buckets.last else { throw TestFailure("\(place): no +Inf at the end") }
        let ends = bounds.dropLast().compactMap(Double.init)
        guard ends.count == buckets.count - 1, zip(ends, ends.dropFirst()).allSatisfy(<) else {
            throw TestFailure("\(place): bounds \(bounds)")
        }
        guard zip(buckets, buckets.dropFirst()).allSatisfy({ $0.value <= $1.value }) else {
            throw TestFailure("\(place): the buckets fall")
        }
        guard samples.count == buckets.count + 2, samples[buckets.count].name == name + "_sum",
            samples[buckets.count + 1].name == name + "_count", samples[buckets.count + 1].value == last.value
        else { throw TestFailure("\(place): no sum, no count, or a count that is not +Inf's") }
    }
}

extension Daemon {
    /// What `/metrics` says.
    package var metrics: Exposition {
        get async throws {
            let response = try await send("GET", "/metrics")
            guard response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8" else {
                throw TestFailure("\(response.headers)")
            }
            return try Exposition(parsing: response.text)
        }
    }
}
