package import Foundation
import Subprocess
import SystemPackage

/// A finished program.
package struct Command: Sendable {
    package let status: Int32
    package let output: Data
    package let errors: String

    package var text: String { String(decoding: output, as: UTF8.self) }

    /// Runs a program to its end, which timeout(1) brings about after `seconds` at the latest.
    package static func run(
        _ program: String, _ arguments: [String] = [], input: String = "", environment: [String: String] = [:],
        seconds: Int = 40
    ) async throws -> Command {
        let overrides = Dictionary(
            uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0), Optional($1)) })
        let result = try await Subprocess.run(
            .path("/usr/bin/env"),
            arguments: Arguments(["timeout", "-k", "2", String(seconds), program] + arguments),
            environment: .inherit.updating(overrides), input: .string(input), output: .bytes(limit: 16 << 20),
            error: .string(limit: 1 << 20))
        let status: Int32 =
            switch result.terminationStatus {
            case .exited(let code): code
            case .signaled(let signal): 128 + signal
            }
        return Command(
            status: status, output: Data(result.standardOutput), errors: result.standardError)
    }

    /// Runs a program that must succeed.
    @discardableResult
    package static func check(
        _ program: String, _ arguments: [String] = [], input: String = "", environment: [String: String] = [:]
    ) async throws -> Command {
        let command = try await run(program, arguments, input: input, environment: environment)
        guard command.status == 0 else {
            throw TestFailure("\(program) \(arguments): status \(command.status), \(command.text)\(command.errors)")
        }
        return command
    }
}

/// Runs blocking work on a thread of its own, away from the cooperative pool.
package func offload<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result(catching: work)) }
    }
}
