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
        let (input, output) = (input, output)
        return try await offload {
            try input.write(contentsOf: Data("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8))
            var text = ""
            while true {
                let data = output.availableData
                text += String(decoding: data, as: UTF8.self)
                guard !data.isEmpty else { return text }
                guard let end = text.firstRange(of: "\r\n\r\n") else { continue }
                let length = text.firstMatch(of: #/Content-Length: (\d+)/#).flatMap { Int($0.1) } ?? 0
                if text[end.upperBound...].utf8.count >= length { return text }
            }
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
