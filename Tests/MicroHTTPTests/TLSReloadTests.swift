import Foundation
import HTTPTypes
import Logging
import Synchronization
import TestSupport
import Testing

@testable import MicroHTTP

@Suite("Replacing credentials") struct TLSReloadTests {
    @Test("no request fails under load, and new connections see the new certificate") func underLoad() async throws {
        let accepting: @Sendable (Request) -> Disposition = { request in
            .read(limit: 100) { (_, _) in
                await Task.yield()
                return Response(status: request.client.certificate == nil ? .forbidden : .ok, body: Array("ok".utf8))
            }
        }
        try await TLSBench.with(accepting: accepting) { bench in
            let client = try await bench.clientAuthority.issue("/CN=lab", for: .client)
            let before = try await serial(of: bench)
            var others: [TLSCredentials] = []
            for _ in 0..<5 {
                others.append(try await TLSBench.credentials(bench.serverAuthority, clients: bench.clientAuthority))
            }
            let end = ContinuousClock.now + .seconds(4)
            let (answers, connections, replacements) = try await withThrowingTaskGroup(of: [String].self) { group in
                // Many requests over one connection each, then many connections with one request each.
                for arguments in [[], [], ["-H", "Connection: close"]] as [[String]] {
                    group.addTask {
                        var lines: [String] = []
                        while ContinuousClock.now < end {
                            let command = try await bench.curl(
                                arguments + [
                                    "-w", " %{http_code} %{num_connects}\n", bench.url + "/[1-100]",
                                ], client: client)
                            #expect(command.status == 0, "\(command.errors)")
                            lines += command.text.split(separator: "\n").map(String.init)
                        }
                        return lines
                    }
                }
                var replacements = 0
                while ContinuousClock.now < end {
                    bench.server.replaceCredentials(others[replacements % others.count])
                    replacements += 1
                    try await Task.sleep(for: .milliseconds(5))
                }
                let lines = try await group.reduce(into: []) { $0 += $1 }
                return (lines, lines.count { $0.hasSuffix("1") }, replacements)
            }
            #expect(answers.allSatisfy { $0.hasPrefix("ok 200 ") })
            #expect(answers.count >= 300)
            #expect(connections >= 100)
            #expect(replacements >= 50)
            #expect(try await serial(of: bench) != before)
        }
    }

    private func serial(of bench: TLSBench) async throws -> String {
        let command = try await Command.run("openssl", ["s_client", "-connect", "127.0.0.1:\(bench.port)"])
        let parsed = try await Command.check("openssl", ["x509", "-noout", "-serial"], input: command.text)
        return parsed.text
    }

    @Test("a connection's client is believed by the authorities of now, not by those of its handshake")
    func otherAuthorities() async throws {
        let seen = Mutex<[String?]>([])
        let accepting: @Sendable (Request) -> Disposition = { request in
            seen.withLock { $0.append(request.client.certificate?.subject) }
            return .respond(Response(status: .ok))
        }
        try await TLSBench.with(accepting: accepting) { bench in
            let issued = try await bench.clientAuthority.issue("/CN=lab", for: .client)
            let other = try await CertificateAuthority("other", in: bench.directory)
            let client = try TLSClient(bench, client: issued)
            for (authority, status) in [
                (bench.clientAuthority, "200"), (nil, "200"), (bench.clientAuthority, "200"), (other, "401"),
            ] {
                bench.server.replaceCredentials(
                    try await TLSBench.credentials(bench.serverAuthority, clients: authority))
                #expect(try await client.get().hasPrefix("HTTP/1.1 \(status)"))
            }
            try await client.end()
        }
        #expect(seen.withLock { $0 } == ["CN=lab", nil, "CN=lab"])
    }

    @Test("a certificate that ends while its connection lives is refused from then on") func expiry() async throws {
        try await TLSBench.with { bench in
            let issued = try await bench.clientAuthority.issue("/CN=lab", for: .client, valid: .seconds(4))
            let client = try TLSClient(bench, client: issued)
            #expect(try await client.get().hasPrefix("HTTP/1.1 200"))
            try await Task.sleep(for: .seconds(1))
            #expect(try await client.get().hasPrefix("HTTP/1.1 200"))
            try await Task.sleep(for: .seconds(4))
            let answer = try await client.get()
            #expect(answer.hasPrefix("HTTP/1.1 401"))
            #expect(answer.contains("it has expired"))
            try await client.end()
        }
    }

    @Test("credentials that are let go of are freed, and those in use are not") func memory() async throws {
        weak var first: TLSCredentials?
        weak var second: TLSCredentials?
        try await TLSBench.with { bench in
            let issued = try await bench.clientAuthority.issue("/CN=lab", for: .client)
            var made: TLSCredentials? = try await TLSBench.credentials(bench.serverAuthority, clients: nil)
            first = made
            bench.server.replaceCredentials(try #require(made))
            made = nil
            let client = try TLSClient(bench, client: issued)
            #expect(try await client.get().hasPrefix("HTTP/1.1 200"))
            made = try await TLSBench.credentials(bench.serverAuthority, clients: bench.clientAuthority)
            second = made
            bench.server.replaceCredentials(try #require(made))
            made = nil
            // The connection's session still points to them.
            #expect(first != nil)
            #expect(try await client.get().hasPrefix("HTTP/1.1 200"))
            try await client.end()
            try await until { first == nil }
            #expect(second != nil)
        }
        #expect(second == nil)
    }

    @Test("what is no credentials says which part of it is not") func malformed() async throws {
        try await withDirectory { directory in
            let authority = try await CertificateAuthority("authority", in: directory)
            let (one, other) = (
                try await authority.issue("/CN=a", for: .server), try await authority.issue("/CN=a", for: .server)
            )
            let (certificate, key) = (try TLSBench.bytes(one.certificate), try TLSBench.bytes(one.key))
            let nonsense = Array("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".utf8)
            let encrypted = try await Command.check(
                "openssl", ["pkcs8", "-topk8", "-passout", "pass:secret", "-in", one.key])
            for (chain, secret, authorities, part) in [
                (nonsense, key, nil, .certificateChain), ([], key, nil, .certificateChain),
                (key, key, nil, .certificateChain), (certificate, [], nil, .privateKey),
                (certificate, certificate, nil, .privateKey), (certificate, Array(encrypted.output), nil, .privateKey),
                (certificate, try TLSBench.bytes(other.key), nil, .pair), (certificate, key, [], .clientAuthorities),
                (certificate, key, nonsense, .clientAuthorities), (certificate, key, key, .clientAuthorities),
            ] as [([UInt8], [UInt8], [UInt8]?, TLSCredentialsError.Part)] {
                let error = #expect(throws: TLSCredentialsError.self) {
                    try TLSCredentials(certificateChain: chain, privateKey: secret, clientAuthorities: authorities)
                }
                #expect(error?.part == part, "\(error.map { "\($0)" } ?? "")")
                #expect(error?.reason.isEmpty == false)
            }
            let good = try TLSCredentials(certificateChain: certificate, privateKey: key)
            #expect(good.expiry > Int64(Date().timeIntervalSince1970) + 9 * 86_400)
        }
    }
}
