import JSONText
import LinuxKit
import SystemPackage

/// Runs plugins, one command each, as the specification's protocol of execution has it (CNI 1.1, section 2).
struct PluginRunner: Sendable {
    /// The directories that plugins are looked for in.
    let path: [FilePath]
    /// How long a plugin may run.
    let timeout: Duration
    /// Where plugins look for programs, as in `PATH`.
    let searchPath: String

    /// What a plugin is told besides its configuration; without values where the command is about no attachment.
    struct Call: Sendable {
        let command: CNICommand
        let network: String
        var key: AttachmentKey?
        var runtime = RuntimeConfiguration(namespace: "")
    }

    /// Runs a plugin and answers what it wrote; nil for nothing.
    ///
    /// - Throws: `.pluginNotFound` and everything that a plugin can do wrong.
    func run(_ type: String, _ call: Call, _ configuration: [String: JSONValue]) throws(CNIError) -> JSONValue? {
        func error(_ reason: CNIError.Reason, _ message: String) -> CNIError {
            CNIError(reason, message, network: call.network, plugin: type, command: call.command)
        }
        guard let file = find(type) else {
            let places = path.map(\.string).joined(separator: ":")
            throw error(.pluginNotFound, "There is no plugin \(type) in \(places).")
        }
        var program = Program(file)
        program.environment = environment(call)
        program.input = JSONValue.object(configuration).text
        program.timeout = timeout
        let outcome: Program.Outcome
        do throws(SystemError) {
            outcome = try program.run()
        } catch let cause {
            throw error(.system(cause), "The plugin \(type) could not be run.")
        }
        switch outcome.end {
        case .timedOut:
            throw error(
                .timedOut, "The plugin \(type) did not end within \(timeout.components.seconds) s, and was killed.")
        case .tooMuchOutput:
            throw error(
                .tooMuchOutput, "The plugin \(type) wrote more than \(program.outputLimit) bytes, and was killed.")
        case .signaled(let signal):
            throw error(.signaled(signal), "The plugin \(type) was ended by signal \(signal).\(outcome.complaint)")
        case .exited(let status):
            let said = outcome.output.trimmed
            guard !said.isEmpty else {
                if status == 0 { return nil }
                throw error(
                    .silent(status: status),
                    "The plugin \(type) ended with status \(status) without a word.\(outcome.complaint)")
            }
            guard let value = try? JSONValue(parsing: Array(said), depthLimit: 64), value.object != nil else {
                throw error(.rubbish, "The plugin \(type) wrote what is no JSON object: \(said.excerpt)")
            }
            guard status != 0 else { return value }
            guard let message = value["msg"]?.string, let code = value["code"]?.int64 else {
                throw error(.rubbish, "The plugin \(type) wrote what is no error of CNI: \(said.excerpt)")
            }
            let details = value["details"]?.string.flatMap { $0.isEmpty ? nil : $0 }
            throw error(
                .refused(code: code, details: details),
                "The plugin \(type) refused with code \(code): \(message)\(details.map { "; \($0)" } ?? "")")
        }
    }

    private func find(_ type: String) -> FilePath? {
        guard Identifiers.isPluginType(type) else { return nil }
        return path.lazy.map { $0.entry(Array(type.utf8)) }.first { (try? FileFacts.at($0).isRegular) == true }
    }

    private func environment(_ call: Call) -> [String: String] {
        [
            "CNI_COMMAND": call.command.rawValue,
            "CNI_CONTAINERID": call.key?.containerID ?? "",
            "CNI_NETNS": call.runtime.namespace,
            "CNI_IFNAME": call.key?.interface ?? "",
            "CNI_ARGS": call.runtime.arguments.map { "\($0.key)=\($0.value)" }.joined(separator: ";"),
            "CNI_PATH": path.map(\.string).joined(separator: ":"),
            "PATH": searchPath,
        ]
    }
}

extension Program.Outcome {
    /// What it said on its standard error, ready to stand behind a sentence.
    fileprivate var complaint: String {
        let said = errors.trimmed
        return said.isEmpty ? "" : " It said: \(said.excerpt)"
    }
}

extension [UInt8] {
    /// Without space around it.
    fileprivate var trimmed: ArraySlice<UInt8> {
        let isSpace = { (byte: UInt8) in [0x20, 0x09, 0x0a, 0x0d].contains(byte) }
        guard let first = firstIndex(where: { !isSpace($0) }), let last = lastIndex(where: { !isSpace($0) }) else {
            return []
        }
        return self[first...last]
    }
}

extension ArraySlice<UInt8> {
    /// The beginning, as one line for a person.
    fileprivate var excerpt: String {
        let text = String(decoding: prefix(200), as: UTF8.self)
        return text.map { $0.isNewline ? " " : $0 }.reduce(into: "") { $0.append($1) } + (count > 200 ? "..." : "")
    }
}
