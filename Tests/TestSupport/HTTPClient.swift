import Foundation

/// curl, with every exchange held against the description.
package struct HTTPClient: Sendable {
    /// How the daemon is reached.
    package enum Transport: Sendable, CaseIterable {
        case unixSocket
        case tcp
    }

    private let endpoint: Endpoint
    private let validator: ExchangeValidator

    /// Speaks to the daemon at `endpoint`.
    package init(_ endpoint: Endpoint, validator: ExchangeValidator) {
        self.endpoint = endpoint
        self.validator = validator
    }

    /// Makes one request and validates the answer; throws where it is not as described.
    ///
    /// - Parameter type: The body's content type; nil sends none.
    package func send(
        _ method: String, _ path: String, body: String? = nil, type: String? = "application/json",
        headers: [String] = []
    ) async throws -> HTTPResponse {
        var arguments = ["-s", "-S", "-i", "--path-as-is", "--globoff", "--max-time", "60", "--noproxy", "*"]
        arguments += method == "HEAD" ? ["--head"] : ["-X", method]
        if body != nil {
            arguments += ["--data-binary", "@-", "-H", type.map { "Content-Type: \($0)" } ?? "Content-Type:"]
        }
        for header in headers { arguments += ["-H", header] }
        switch endpoint {
        case .unix(let socket): arguments += ["--unix-socket", socket, "http://localhost\(path)"]
        case .tcp(let port): arguments += ["http://127.0.0.1:\(port)\(path)"]
        }
        let command = try await Command.run("curl", arguments, input: body ?? "")
        guard !command.output.isEmpty else {
            throw TestFailure("\(method) \(path): no answer, curl status \(command.status) \(command.errors)")
        }
        let response = try HTTPResponse(message: command.output)
        let failures = try validator.failures(method: method, path: path, response: response)
        guard failures.isEmpty else { throw TestFailure(failures.joined(separator: "\n")) }
        return response
    }
}
