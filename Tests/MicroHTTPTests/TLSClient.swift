import Foundation
import TestSupport
import Testing

/// One TLS connection that is kept: openssl(1) between two FIFOs.
final class TLSClient {
    private let process: ChildProcess
    private let input: FileHandle
    private let output: FileHandle
    private let directory: String

    init(_ bench: TLSBench, client: TLSBench.Issued) throws {
        directory = "\(bench.directory)/client-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        for name in ["in", "out"] { mkfifo("\(directory)/\(name)", 0o600) }
        let command = """
            exec openssl s_client -quiet -connect 127.0.0.1:\(bench.port) -cert \(client.certificate) \
            -key \(client.key) < \(directory)/in > \(directory)/out
            """
        process = try ChildProcess(["sh", "-c", command], log: directory + "/log")
        // In the shell's order, as each waits for its other end.
        input = try #require(FileHandle(forWritingAtPath: directory + "/in"))
        output = try #require(FileHandle(forReadingAtPath: directory + "/out"))
    }

    /// The answer to a GET, body and all.
    func get() async throws -> String {
        try await answers(to: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 1).first ?? ""
    }

    /// Sends `text` at once, and reads so many answers; fewer if the server closes the connection.
    func answers(to text: String, count: Int) async throws -> [String] {
        let (input, output) = (input, output)
        return try await offload {
            try input.write(contentsOf: Data(text.utf8))
            var (rest, answers): (Substring, [String]) = ("", [])
            while answers.count < count {
                if let end = rest.firstRange(of: "\r\n\r\n") {
                    let head = rest[..<end.upperBound]
                    let length = head.firstMatch(of: #/Content-Length: (\d+)/#).flatMap { Int($0.1) } ?? 0
                    if rest[end.upperBound...].utf8.count >= length {
                        answers.append(String(head + rest[end.upperBound...].prefix(length)))
                        rest = rest[end.upperBound...].dropFirst(length)
                        continue
                    }
                }
                let data = output.availableData
                guard !data.isEmpty else { return answers + [String(rest)] }
                rest += String(decoding: data, as: UTF8.self)
            }
            return answers
        }
    }

    /// Ends the connection.
    func end() async throws {
        process.kill(SIGKILL)
        _ = try await process.wait(seconds: 10)
        try input.close()
        try output.close()
    }
}
