import Foundation
import HTTPTypes
import Synchronization
import TestSupport
import Testing

@testable import MicroHTTP

@Suite("TLS") struct TLSTests {
    @Test("serves TLS 1.2 and 1.3, with forward secrecy, and nothing older") func versions() async throws {
        try await TLSBench.with { bench in
            #expect(try await bench.status() == 200)
            #expect(try await bench.status(["--tls-max", "1.2"]) == 200)
            #expect(try await bench.status(["--tlsv1.3"]) == 200)

            // At security level 0 OpenSSL itself would speak them all.
            for (version, ciphers, isServed) in [
                ("-tls1_2", "DEFAULT", true), ("-tls1_2", "ECDHE-ECDSA-AES128-GCM-SHA256", true),
                ("-tls1_1", "DEFAULT", false), ("-tls1", "DEFAULT", false), ("-tls1_2", "AES128-GCM-SHA256", false),
                ("-tls1_2", "ECDHE-ECDSA-AES128-SHA256", false), ("-tls1_2", "DHE-RSA-AES128-GCM-SHA256", false),
                ("-tls1_2", "aNULL", false),
            ] {
                let handshake = try await Command.run(
                    "openssl",
                    ["s_client", "-connect", "127.0.0.1:\(bench.port)", version, "-cipher", ciphers + "@SECLEVEL=0"])
                #expect((handshake.status == 0) == isServed, "\(version) \(ciphers)")
                #expect(handshake.text.contains("CONNECTED"))
                #expect(handshake.text.contains("Cipher is (NONE)") == !isServed, "\(version) \(ciphers)")
            }
            #expect(try await bench.status() == 200)
        }
    }

    @Test("keys are of either kind, and strong") func keys() async throws {
        try await TLSBench.with { bench in
            let rsa = try await bench.serverAuthority.issue(
                "/CN=server", for: .server, names: "IP:127.0.0.1", key: .rsa(bits: 2048))
            bench.server.replaceCredentials(
                try TLSCredentials(
                    certificateChain: TLSBench.bytes(rsa.certificate), privateKey: TLSBench.bytes(rsa.key),
                    clientAuthorities: TLSBench.bytes(bench.clientAuthority.certificate)))
            let strong = try await bench.clientAuthority.issue("/CN=lab", for: .client, key: .rsa(bits: 2048))
            let weak = try await bench.clientAuthority.issue("/CN=lab", for: .client, key: .rsa(bits: 1024))
            for version in [["--tls-max", "1.2"], ["--tlsv1.3"]] {
                #expect(try await bench.status(version) == 200)
                #expect(try await bench.status(client: strong, version) == 200)
                // Refused by the handshake or after it.
                let refused = try await bench.status(client: weak, version + ["--ciphers", "DEFAULT@SECLEVEL=0"])
                #expect(refused == nil || refused == 401)
            }
        }
    }

    @Test("a client is an address over TLS, without a certificate if it has none") func client() async throws {
        let clients = Mutex<[Client]>([])
        let accepting: @Sendable (Request) -> Disposition = { request in
            clients.withLock { $0.append(request.client) }
            return .respond(Response(status: .ok))
        }
        try await TLSBench.with(accepting: accepting) { bench in
            #expect(try await bench.status() == 200)
            let issued = try await bench.clientAuthority.issue(
                "/O=Example, Inc./CN=lab", for: .client,
                names: "DNS:a.example,URI:spiffe://a/b,email:c@d.example,IP:192.0.2.1")
            #expect(try await bench.status(client: issued) == 200)
        }
        let certificate = ClientCertificate(
            subject: #"CN=lab,O=Example\, Inc."#, names: ["DNS:a.example", "URI:spiffe://a/b", "email:c@d.example"])
        #expect(
            clients.withLock { $0 } == [
                Client(transport: .tls, address: "127.0.0.1"),
                Client(transport: .tls, address: "127.0.0.1", certificate: certificate),
            ])
    }

    @Test("a certificate is not asked for without an authority, and one that is offered is not looked at")
    func unasked() async throws {
        let certificates = Mutex<[ClientCertificate?]>([])
        let accepting: @Sendable (Request) -> Disposition = { request in
            certificates.withLock { $0.append(request.client.certificate) }
            return .respond(Response(status: .ok))
        }
        try await TLSBench.with(asksClients: false, accepting: accepting) { bench in
            let issued = try await bench.clientAuthority.issue("/CN=lab", for: .client)
            #expect(try await bench.status(client: issued) == 200)
        }
        #expect(certificates.withLock { $0 } == [nil])
    }

    @Test("a client certificate that is not to be believed is refused, and the connection closed")
    func refused() async throws {
        let asked = Mutex(0)
        let accepting: @Sendable (Request) -> Disposition = { _ in
            asked.withLock { $0 += 1 }
            return .respond(Response(status: .ok))
        }
        try await TLSBench.with(accepting: accepting) { bench in
            let (known, unknown) = (
                bench.clientAuthority, try await CertificateAuthority("unknown", in: bench.directory)
            )
            // Of the same name as the one that is known.
            let impostor = try await CertificateAuthority("client-authority", in: bench.directory + "/unknown")
            for (issued, why) in [
                (try await known.issue("/CN=lab", for: .client, valid: .past), "it has expired"),
                (try await known.issue("/CN=lab", for: .client, valid: .future), "it is not valid yet"),
                (try await known.issue("/CN=lab", for: .server), "it is not meant for clients"),
                (try await unknown.issue("/CN=lab", for: .client), "no authority known here has issued it"),
                (try await impostor.issue("/CN=lab", for: .client), "no authority known here has issued it"),
            ] {
                let answer = try await bench.curl(["-i", bench.url + "/", bench.url + "/"], client: issued)
                #expect(answer.text.hasPrefix("HTTP/1.1 401"), "\(answer.text)\(answer.errors)")
                #expect(answer.text.contains("\r\n\r\n\(why)"), "\(answer.text)")
                #expect(answer.text.contains("Connection: close"))
            }
            #expect(asked.withLock(\.self) == 0)
            let good = try await known.issue("/CN=lab", for: .client)
            #expect(try await bench.status(client: good) == 200)
            // Somebody else's certificate without its key.
            let other = try await known.issue("/CN=other", for: .client)
            let stolen = TLSBench.Issued(certificate: good.certificate, key: other.key)
            #expect(try await bench.status(client: stolen) == nil)
        }
    }

    @Test("bodies of a megabyte pass both ways, also when the answer takes its time") func large() async throws {
        let accepting: @Sendable (Request) -> Disposition = { _ in
            .read(limit: 1 << 21) { (body, _) in
                try? await Task.sleep(for: .milliseconds(30))
                return Response(status: .ok, body: body)
            }
        }
        try await TLSBench.with(accepting: accepting) { bench in
            let text = String((0..<200_000).flatMap { "\($0) " })
            // Over one connection: what GnuTLS has read ahead must not be lost on the way through a suspension.
            let answer = try await bench.curl(["--data-binary", "@-", bench.url + "/"], input: text)
            #expect(answer.text == text)
            let twice = try await bench.curl(
                ["-d", "one", bench.url + "/", bench.url + "/", "-w", ",%{num_connects};"])
            #expect(twice.text == "one,1;one,0;")
        }
    }

    @Test("requests that come all at once are all answered, each after a suspension") func pipeline() async throws {
        let accepting: @Sendable (Request) -> Disposition = { request in
            let path = request.target.map { $0.segments.first ?? [] }
            return .read(limit: 0) { (_, _) in
                try? await Task.sleep(for: .milliseconds(1))
                return Response(status: .ok, body: (try? path.get()) ?? [])
            }
        }
        try await TLSBench.with(accepting: accepting) { bench in
            let client = try TLSClient(
                bench, client: try await bench.clientAuthority.issue("/CN=lab", for: .client))
            // More than fits in the connection's memory, in records that end anywhere.
            let padding = String(repeating: "x", count: 200)
            let requests = (0..<300).map { "GET /\($0) HTTP/1.1\r\nHost: a\r\nX-Padding: \(padding)\r\n\r\n" }
            let answers = try await client.answers(to: requests.joined(), count: 300)
            #expect(answers.map { $0.split(separator: "\r\n\r\n").last ?? "" } == (0..<300).map { "\($0)" })
            try await client.end()
        }
    }

    @Test("an event stream arrives piece by piece, and ends well when the server drains") func stream() async throws {
        let stream = ScriptedStream(lastWords: [.text("last"), .end])
        try await TLSBench.with(accepting: { _ in .respond(Response(status: .ok, stream: stream)) }) { bench in
            let output = bench.directory + "/output"
            let reader = try ChildProcess(
                ["curl", "-sN", "--noproxy", "*", "--cacert", bench.serverAuthority.certificate, bench.url + "/"],
                log: output)
            func received() -> String { (try? String(contentsOfFile: output, encoding: .utf8)) ?? "" }
            for piece in ["one ", "two "] {
                stream.give(.text(piece))
                try await until { received().hasSuffix(piece) }
            }
            // More than GnuTLS puts into one record.
            let long = String(repeating: "x", count: 100_000)
            for part in stride(from: 0, to: long.count, by: 1000) {
                stream.give(.text(String(long.dropFirst(part).prefix(1000))))
            }
            try await until { received().count == 8 + long.count }
            await bench.server.shutdown(deadline: .seconds(5))
            #expect(try await reader.wait(seconds: 10) == 0)
            #expect(received() == "one two \(long)last")
            #expect(stream.calls == ["start", "drain", "ended"])
        }
    }

    @Test("a stream whose reader goes away or that is cut ends") func endedStreams() async throws {
        for isCut in [true, false] {
            let stream = ScriptedStream()
            try await TLSBench.with(accepting: { _ in .respond(Response(status: .ok, stream: stream)) }) { bench in
                let reader = try ChildProcess(
                    ["curl", "-sN", "--noproxy", "*", "--cacert", bench.serverAuthority.certificate, bench.url + "/"],
                    log: bench.directory + "/output")
                try await until { stream.calls.contains("start") }
                if isCut { stream.cut() } else { reader.kill(SIGKILL) }
                #expect(try await reader.wait(seconds: 10) != 0)
                try await until {
                    stream.give(.text("anybody there?"))
                    return stream.calls == ["start", "ended"]
                }
            }
        }
    }
}
