import Foundation

/// Somebody who asks, by one of the ways there are to say who.
package struct Presenter: Sendable, CustomStringConvertible {
    package let description: String
    private let transport: HTTPClient.Transport
    private let user: Int
    private let group: Int
    private let headers: [String]

    /// A process of a user on the Unix socket.
    package static func user(_ user: Int, group: Int? = nil, headers: [String] = []) -> Presenter {
        Presenter("uid \(user), gid \(group ?? user)", .unixSocket, user, group ?? user, headers)
    }

    /// Whoever sends these headers over TCP.
    package static func tcp(_ description: String, _ headers: [String] = []) -> Presenter {
        Presenter(description, .tcp, 0, 0, headers)
    }

    private init(
        _ description: String, _ transport: HTTPClient.Transport, _ user: Int, _ group: Int, _ headers: [String]
    ) {
        self.description = description
        self.transport = transport
        self.user = user
        self.group = group
        self.headers = headers
    }

    /// Makes one request, and holds the answer to the description.
    package func send(
        _ method: String, _ path: String, body: String? = nil, headers more: [String] = [], to daemon: Daemon
    ) async throws -> HTTPResponse {
        var arguments = ["--reuid", "\(user)", "--regid", "\(group)", "--clear-groups", "curl"]
        arguments += ["-s", "-S", "-i", "--globoff", "--max-time", "30", "--noproxy", "*"]
        arguments += method == "HEAD" ? ["--head"] : ["-X", method]
        if body != nil { arguments += ["--data-binary", "@-", "-H", "Content-Type: application/json"] }
        for header in headers + more { arguments += ["-H", header] }
        switch try daemon.endpoint(transport) {
        case .unix(let socket): arguments += ["--unix-socket", socket, "http://localhost\(path)"]
        case .tcp(let port): arguments += ["http://127.0.0.1:\(port)\(path)"]
        }
        let command = try await Command.run("setpriv", arguments, input: body ?? "")
        guard !command.output.isEmpty else {
            throw TestFailure("\(self): \(method) \(path): no answer, status \(command.status) \(command.errors)")
        }
        let response = try HTTPResponse(message: command.output)
        try daemon.validate(method, path, response)
        return response
    }
}

/// A token file, as `netnsd token` keeps it.
package struct TokenFileCommand: Sendable {
    package let path: String

    package init(_ path: String) { self.path = path }

    /// Makes a token, and answers who presents it.
    package func new(role: String, name: String, _ more: [String] = []) async throws -> Presenter {
        try await .tcp(name, ["Authorization: Bearer \(text(role: role, name: name, more))"])
    }

    /// Makes a token, and answers it.
    package func text(role: String, name: String, _ more: [String] = []) async throws -> String {
        let command = try await run(["new", "--role", role, "--name", name] + more)
        guard command.status == 0 else { throw TestFailure(command.errors) }
        return command.text.trimmingCharacters(in: .newlines)
    }

    /// Runs `netnsd token` with this file.
    package func run(_ arguments: [String]) async throws -> Command {
        try await Command.run(Daemon.executable(), ["token"] + arguments + ["--token-file", path])
    }
}
