import FoundationEssentials

/// A unit file as systemd.syntax(7) has it, without continuation lines.
struct UnitFile: Sendable {
    private let entries: [(section: String, key: String, value: String)]

    /// - Parameter path: From the top of the project.
    init(_ path: String) {
        self.init(text: Project.text(of: path))
    }

    init(text: String) {
        var section = ""
        var entries: [(section: String, key: String, value: String)] = []
        for line in text.split(separator: "\n").map({ String($0).trimmed }) {
            if line.hasPrefix("[") {
                section = String(line.dropFirst().dropLast())
            } else if !line.hasPrefix("#"), !line.hasPrefix(";"), let equals = line.firstIndex(of: "=") {
                let value = String(line[line.index(after: equals)...]).trimmed
                entries.append((section, String(line[..<equals]).trimmed, value))
            }
        }
        self.entries = entries
    }

    /// Every value that the key is given, in any section.
    func values(of key: String) -> [String] {
        entries.filter { $0.key == key }.map(\.value)
    }

    func keys(of section: String) -> Set<String> {
        Set(entries.filter { $0.section == section }.map(\.key))
    }
}

/// The project that these tests are of.
enum Project {
    /// The file's text, or nothing, which no test is content with.
    static func text(of path: String) -> String {
        let top = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return (try? String(contentsOfFile: "/\(top)/\(path)", encoding: .utf8)) ?? ""
    }
}

extension String {
    fileprivate var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
