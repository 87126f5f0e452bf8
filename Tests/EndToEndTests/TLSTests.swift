import Foundation
import Logging
import MicroHTTP
import TestSupport
import Testing
import netnsd

@Suite("TLS of the daemon", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct TLSDaemonTests {
    /// The files of a daemon that asks for client certificates.
    private struct Files {
        let authority: CertificateAuthority
        let server: CertificateAuthority.Issued
        var arguments: [String] {
            [
                "--tls-certificate", server.certificate, "--tls-key", server.key, "--tls-client-ca",
                authority.certificate,
            ]
        }

        init(in directory: String) async throws {
            authority = try await CertificateAuthority("authority", in: directory)
            server = try await authority.issue("/CN=server", for: .server, names: "IP:127.0.0.1")
        }

        func curl(
            _ daemon: Daemon, _ method: String, _ path: String, client: CertificateAuthority.Issued? = nil
        ) async throws -> HTTPResponse {
            guard case .tcp(let port) = try daemon.endpoint(.tcp) else { throw TestFailure("no port") }
            var arguments = [
                "-sSi", "--max-time", "30", "--noproxy", "*", "--cacert", authority.certificate, "-X", method,
            ]
            if let client { arguments += ["--cert", client.certificate, "--key", client.key] }
            let command = try await Command.check("curl", arguments + ["https://127.0.0.1:\(port)\(path)"])
            return try HTTPResponse(message: command.output)
        }
    }

    @Test("The API is served over TLS, with and without a client certificate, and the Unix socket in the clear")
    func served() async throws {
        try await withHome { home in
            let files = try await Files(in: home.root + "/tls")
            try await withDaemon(in: home, arguments: files.arguments, tcp: true) { daemon in
                let client = try await files.authority.issue("/CN=lab", for: .client)
                for (client, name) in [(client, "with"), (nil, "without")] {
                    let path = "/v1/namespaces/\(name)"
                    for (method, status) in [("PUT", 201), ("GET", 200), ("DELETE", 204)] {
                        let response = try await files.curl(daemon, method, path, client: client)
                        #expect(response.status == status)
                        try daemon.validate(method, path, response)
                    }
                }
                #expect(try await daemon.send("GET", "/healthz").status == 200)
                #expect(daemon.log.contains("listening=unix:\(home.socket),https://127.0.0.1:"))

                guard case .tcp(let port) = try daemon.endpoint(.tcp) else { throw TestFailure("no port") }
                let plain = try await Command.run("curl", ["-s", "--noproxy", "*", "http://127.0.0.1:\(port)/healthz"])
                #expect(plain.status != 0)
                #expect(try await files.curl(daemon, "GET", "/healthz").status == 200)
                #expect(try await daemon.stop() == 0)
            }
        }
    }

    @Test("Handshakes that stop half-way take no processor's time, and are cut")
    func halfHandshakes() async throws {
        try await withHome { home in
            let files = try await Files(in: home.root + "/tls")
            let arguments = files.arguments + ["--idle-seconds", "3"]
            try await withDaemon(in: home, arguments: arguments, tcp: true) { daemon in
                let endpoint = try daemon.endpoint(.tcp)
                // A record of a handshake (RFC 8446, section 5.1) of 512 bytes, of which few come, or none that is a hello.
                let beginning = Data([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03])
                let (used, isOpen) = try await offload {
                    let halves = try (0..<50).map { number in
                        let connection = try RawConnection(endpoint)
                        if number > 0 { try connection.send(beginning.prefix(number % beginning.count + 1)) }
                        return connection
                    }
                    Thread.sleep(forTimeInterval: 0.3)
                    let before = try daemon.processorTime
                    Thread.sleep(forTimeInterval: 2)
                    let used = try daemon.processorTime - before
                    Thread.sleep(forTimeInterval: 4)
                    // What is sent first to who has closed is answered by a reset.
                    for half in halves { try? half.send(Data([0])) }
                    Thread.sleep(forTimeInterval: 0.2)
                    return (used, halves.map { (try? $0.send(Data([0]))) != nil })
                }
                #expect(used < .milliseconds(300), "\(used) in two seconds")
                #expect(!isOpen.contains(true))
                #expect(try await files.curl(daemon, "GET", "/healthz").status == 200)
            }
        }
    }

    @Test("A client certificate that does not verify is a problem of its own")
    func refused() async throws {
        try await withHome { home in
            let files = try await Files(in: home.root + "/tls")
            let unknown = try await CertificateAuthority("unknown", in: home.root)
            try await withDaemon(in: home, arguments: files.arguments, tcp: true) { daemon in
                for client in [
                    try await unknown.issue("/CN=lab", for: .client),
                    try await files.authority.issue("/CN=lab", for: .client, valid: .past),
                ] {
                    let response = try await files.curl(daemon, "PUT", "/v1/namespaces/refused", client: client)
                    #expect(response.status == 401)
                    #expect(try response.json["type"] == "urn:netnsd:problem:certificate-refused")
                    #expect(response.headers["www-authenticate"]?.isEmpty == false)
                    #expect(response.headers["connection"] == "close")
                }
                #expect(home.names.isEmpty)
            }
        }
    }

    @Test("Events arrive over TLS as they happen, and the stream ends with the daemon")
    func events() async throws {
        try await withHome { home in
            let files = try await Files(in: home.root + "/tls")
            try await withDaemon(in: home, arguments: files.arguments, tcp: true) { daemon in
                guard case .tcp(let port) = try daemon.endpoint(.tcp) else { throw TestFailure("no port") }
                let output = home.root + "/events"
                let reader = try ChildProcess(
                    [
                        "curl", "-sN", "--noproxy", "*", "--cacert", files.authority.certificate,
                        "https://127.0.0.1:\(port)/v1/events",
                    ], log: output)
                func received(_ text: String) async throws {
                    for _ in 0..<500 {
                        if (try? String(contentsOfFile: output, encoding: .utf8))?.contains(text) == true { return }
                        try await Task.sleep(for: .milliseconds(10))
                    }
                    throw TestFailure("no \(text) in 5 s")
                }
                try await received(": netnsd\n\n")
                for name in ["one", "two"] {
                    #expect(try await files.curl(daemon, "PUT", "/v1/namespaces/\(name)").status == 201)
                    try await received("\"name\":\"\(name)\"")
                }
                #expect(try await daemon.stop() == 0)
                #expect(try await reader.wait(seconds: 10) == 0)
            }
        }
    }

    @Test("The daemon refuses to start with files that cannot be used, and says what to do")
    func unusable() async throws {
        try await withHome { home in
            let files = try await Files(in: home.root + "/tls")
            let other = try await files.authority.issue("/CN=server", for: .server)
            let (open, grouped) = (home.root + "/open.key", home.root + "/grouped.key")
            for (path, mode) in [(open, 0o644), (grouped, 0o640)] {
                try FileManager.default.copyItem(atPath: files.server.key, toPath: path)
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            }
            let writable = home.root + "/writable.pem"
            try FileManager.default.copyItem(atPath: files.authority.certificate, toPath: writable)
            try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: writable)
            let (certificate, key) = (files.server.certificate, files.server.key)
            for (arguments, mention) in [
                (["--tls-certificate", certificate, "--tls-key", open], "(mode 644): chmod 600 it"),
                (["--tls-certificate", certificate, "--tls-key", grouped], "(mode 640): chmod 600 it"),
                (["--tls-certificate", certificate, "--tls-key", other.key], "does not belong to the certificate"),
                (["--tls-certificate", certificate, "--tls-key", "/dev/zero"], "/dev/zero: Invalid argument"),
                (["--tls-certificate", "/nowhere", "--tls-key", key], "/nowhere: No such file"),
                (["--tls-certificate", key, "--tls-key", key], "holds no certificate chain in PEM"),
                (
                    ["--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", writable],
                    "can be written by others than its owner (mode 666)"
                ),
                (
                    ["--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", key],
                    "holds no authorities' certificates in PEM"
                ),
                (["--tls-certificate", certificate], "needs both --tls-certificate and --tls-key"),
                (["--tls-client-ca", certificate], "needs both --tls-certificate and --tls-key"),
            ] {
                for verb in ["serve", "check"] {
                    let command = try await Command.run(
                        Daemon.executable(), [verb] + home.arguments + arguments, seconds: 10)
                    #expect(command.status != 0 && command.status < 124, "\(verb) \(arguments)")
                    #expect(command.errors.contains(mention), "\(verb): \(command.errors)")
                }
            }
        }
    }

    @Test("The environment configures TLS as the flags do")
    func environment() async throws {
        try await withHome { home in
            let files = try await Files(in: home.root + "/tls")
            let daemon = try await Daemon(
                home: home,
                environment: [
                    "NETNSD_TLS_CERTIFICATE": files.server.certificate, "NETNSD_TLS_KEY": files.server.key,
                    "NETNSD_TLS_CLIENT_CA": files.authority.certificate,
                ], tcp: true)
            do {
                let client = try await files.authority.issue("/CN=lab", for: .client)
                #expect(try await files.curl(daemon, "GET", "/healthz", client: client).status == 200)
                try await daemon.kill()
            } catch {
                try? await daemon.kill()
                throw error
            }
        }
    }

    @Test("Files that have become unusable leave the former certificate in force, and good ones replace it")
    func reload() async throws {
        try await withHome { home in
            let files = try await Files(in: home.root + "/tls")
            let next = try await files.authority.issue("/CN=next", for: .server, names: "IP:127.0.0.1")
            let tls = TLSFiles(certificate: files.server.certificate, key: files.server.key)
            let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            let server = try HTTPServer.start(
                on: [.tcp(host: "127.0.0.1", port: 0)], configuration: .init(), credentials: try tls.load(),
                handler: NoHandler(), logger: logger)
            let port = server.addresses[0].split(separator: ":").last ?? ""
            func subject() async throws -> String {
                let shown = try await Command.run("openssl", ["s_client", "-connect", "127.0.0.1:\(port)"])
                return try await Command.check("openssl", ["x509", "-noout", "-subject"], input: shown.text).text
            }
            func replace(_ path: String, by other: String) throws {
                try Data(contentsOf: URL(filePath: other)).write(to: URL(filePath: path))
            }
            #expect(try await subject().contains("CN = server"))
            try tls.reload(into: server, logger: logger)
            // Half of a replacement: the new certificate with the old key.
            try replace(tls.certificate, by: next.certificate)
            #expect(throws: TLSFilesError.self) { try tls.reload(into: server, logger: logger) }
            #expect(try await subject().contains("CN = server"))
            try replace(tls.key, by: next.key)
            #expect(chmod(tls.key, 0o604) == 0)
            #expect(throws: TLSFilesError.self) { try tls.reload(into: server, logger: logger) }
            #expect(try await subject().contains("CN = server"))
            #expect(chmod(tls.key, 0o400) == 0)
            try tls.reload(into: server, logger: logger)
            #expect(try await subject().contains("CN = next"))
            await server.shutdown(deadline: .zero)
        }
    }
}
