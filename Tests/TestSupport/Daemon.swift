import Foundation
import Glibc

/// A running netnsd with directories of its own.
package final class Daemon: Sendable {
    package let home: DaemonHome
    package let pid: Int32
    private let process: ChildProcess
    let validator: ExchangeValidator
    private let port: UInt16?

    /// Starts a daemon and waits until it says that it is ready.
    ///
    /// - Parameters:
    ///   - launcher: A program, with its arguments, to start the daemon with, such as strace.
    ///   - environment: What it has in its environment besides what the test has.
    ///   - sockets: What a service manager hands over to it.
    package init(
        home: DaemonHome, arguments: [String] = [], launcher: [String] = [], environment: [String: String] = [:],
        sockets: [HandedSocket] = [], tcp: Bool = false
    ) async throws {
        self.home = home
        let activation = sockets.isEmpty ? [] : HandedSocket.launcher
        var command = activation + launcher + [try Daemon.executable(), "serve"] + home.arguments + arguments
        if tcp { command += ["--listen", "127.0.0.1:0", "--allow-unauthenticated-tcp"] }
        validator = ExchangeValidator(try OpenAPIDocument.shared.get())
        let earlier = ((try? String(contentsOfFile: home.log, encoding: .utf8)) ?? "").utf8.count
        process = try ChildProcess(
            command, environment: environment.merging(HandedSocket.environment(of: sockets)) { given, _ in given },
            descriptors: sockets.map(\.descriptor), log: home.log)
        do {
            let line = try await Daemon.readyLine(of: process, log: home.log, after: earlier)
            let address = line.firstMatch(of: #/https?://127\.0\.0\.1:(\d+)/#)
            port = address.flatMap { UInt16($0.1) }
            pid = launcher.isEmpty ? process.pid : try Daemon.child(of: process.pid)
        } catch {
            process.kill(SIGKILL)
            throw error
        }
    }

    /// The built daemon, beside the test binary.
    package static func executable() throws -> String {
        let test = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        var candidates = [URL(filePath: test).deletingLastPathComponent()]
        for argument in CommandLine.arguments where argument.contains(".xctest") || argument.contains(".build") {
            candidates.append(URL(filePath: argument).deletingLastPathComponent())
        }
        for directory in candidates {
            let path = directory.appending(path: "netnsd").path(percentEncoded: false)
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        throw TestFailure("no netnsd beside \(test)")
    }

    private static func readyLine(of process: ChildProcess, log: String, after earlier: Int) async throws -> String {
        for _ in 0..<3000 {
            let whole = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            let text = String(decoding: whole.utf8.dropFirst(earlier), as: UTF8.self)
            // A line that is still being written has no end yet, and perhaps no port.
            let isWhole = text.last?.isNewline ?? true
            if isWhole, let line = text.split(separator: "\n").first(where: { $0.contains("netnsd is ready") }) {
                return String(line)
            }
            if process.status != nil { throw TestFailure("netnsd ended: \(text)") }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw TestFailure("netnsd is not ready after 30 s")
    }

    private static func child(of pid: Int32) throws -> Int32 {
        let text = try String(contentsOfFile: "/proc/\(pid)/task/\(pid)/children", encoding: .utf8)
        guard let child = text.split(separator: " ").first.flatMap({ Int32($0) }) else {
            throw TestFailure("\(pid) has no child")
        }
        return child
    }

    /// Where the daemon is reached.
    package func endpoint(_ transport: HTTPClient.Transport = .unixSocket) throws -> Endpoint {
        switch transport {
        case .unixSocket: return .unix(home.socket)
        case .tcp:
            guard let port else { throw TestFailure("the daemon does not listen on TCP") }
            return .tcp(port)
        }
    }

    /// Makes one validated request.
    @discardableResult
    package func send(
        _ method: String, _ path: String, body: String? = nil, type: String? = "application/json",
        headers: [String] = [], over transport: HTTPClient.Transport = .unixSocket
    ) async throws -> HTTPResponse {
        try await HTTPClient(endpoint(transport), validator: validator)
            .send(method, path, body: body, type: type, headers: headers)
    }

    /// Throws unless an exchange that was made some other way is as described.
    package func validate(_ method: String, _ path: String, _ response: HTTPResponse) throws {
        let failures = try validator.failures(method: method, path: path, response: response)
        guard failures.isEmpty else { throw TestFailure(failures.joined(separator: "\n")) }
    }

    /// What the daemon holds now.
    package var resources: Resources { get throws { try Resources(pid: pid, mountsBelow: home.root) } }

    /// What the daemon holds once it holds no more than `earlier`, or after 10 seconds: it closes connections, and the
    /// runtime ends threads, in its own time.
    package func resources(settlingTo earlier: Resources, spareThreads: Int = 0) async throws -> Resources {
        for _ in 0..<100 {
            let now = try resources
            if !now.exceeds(earlier, spareThreads: spareThreads) { return now }
            try await Task.sleep(for: .milliseconds(100))
        }
        return try resources
    }

    /// Its log so far.
    package var log: String { (try? String(contentsOfFile: home.log, encoding: .utf8)) ?? "" }

    /// Asks the daemon to end, and answers its exit status.
    @discardableResult
    package func stop() async throws -> Int32 {
        Glibc.kill(pid, SIGTERM)
        return try await process.wait(seconds: 30)
    }

    /// Waits until the daemon has ended by itself, and answers its exit status.
    package func end(seconds: Int = 30) async throws -> Int32 { try await process.wait(seconds: seconds) }

    /// Starts a daemon and kills it a little later, most likely before it is ready.
    package static func killStarting(home: DaemonHome, after delay: Duration) async throws {
        let process = try ChildProcess([try executable(), "serve"] + home.arguments, log: home.log)
        try? await Task.sleep(for: delay)
        process.kill(SIGKILL)
        _ = try await process.wait(seconds: 10)
    }

    /// Ends the daemon at once.
    package func kill() async throws {
        if process.status == nil, pid != process.pid { Glibc.kill(pid, SIGKILL) }
        process.kill(SIGKILL)
        _ = try await process.wait(seconds: 10)
    }
}

/// Runs `body` with a daemon of its own, and leaves nothing of it behind, however that ends.
package func withDaemon<Value: Sendable>(
    arguments: [String] = [], launcher: [String] = [], tcp: Bool = false, netnsDirectory: String? = nil,
    _ body: (Daemon) async throws -> Value
) async throws -> Value {
    try await withHome(netnsDirectory: netnsDirectory) { home in
        try await withDaemon(in: home, arguments: arguments, launcher: launcher, tcp: tcp, body)
    }
}

/// Runs `body` with a daemon in directories that outlive it; ends it with kill -9, unless it has ended.
package func withDaemon<Value: Sendable>(
    in home: DaemonHome, arguments: [String] = [], launcher: [String] = [], tcp: Bool = false,
    _ body: (Daemon) async throws -> Value
) async throws -> Value {
    let daemon = try await Daemon(home: home, arguments: arguments, launcher: launcher, tcp: tcp)
    do {
        let value = try await body(daemon)
        try await daemon.kill()
        return value
    } catch {
        try? await daemon.kill()
        throw TestFailure("\(error)\nThe daemon's log:\n\(daemon.log.suffix(4000))")
    }
}
