import Foundation
import HTTPTypes
import Logging
import TestSupport
import Testing

@testable import MicroHTTP

/// A server on a TLS port, with an authority for the server, one for clients, and one that nobody knows.
struct TLSBench: Sendable {
    typealias Issued = CertificateAuthority.Issued

    let server: HTTPServer
    let port: UInt16
    let directory: String
    let serverAuthority: CertificateAuthority
    let clientAuthority: CertificateAuthority

    var url: String { "https://127.0.0.1:\(port)" }

    /// Runs `body` with a server, which asks clients for certificates if `asksClients`, and shuts it down.
    static func with(
        _ configuration: HTTPServer.Configuration = .init(), asksClients: Bool = true,
        accepting: @escaping @Sendable (Request) -> Disposition = { _ in .respond(Response(status: .ok)) },
        _ body: (TLSBench) async throws -> Void
    ) async throws {
        try await withDirectory { directory in
            let serverAuthority = try await CertificateAuthority("server-authority", in: directory)
            let clientAuthority = try await CertificateAuthority("client-authority", in: directory)
            let server = try HTTPServer.start(
                on: [.tcp(host: "127.0.0.1", port: 0)], configuration: configuration,
                credentials: try await credentials(serverAuthority, clients: asksClients ? clientAuthority : nil),
                handler: TLSHandler(accepting: accepting),
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
            do {
                let address = try #require(server.addresses.first)
                #expect(address.hasPrefix("https://127.0.0.1:"))
                try await body(
                    TLSBench(
                        server: server, port: try #require(UInt16(address.split(separator: ":").last ?? "")),
                        directory: directory, serverAuthority: serverAuthority, clientAuthority: clientAuthority))
            } catch {
                await server.shutdown(deadline: .zero)
                throw error
            }
            await server.shutdown(deadline: .milliseconds(100))
            #expect(server.exchangesInProgress == 0)
        }
    }

    /// New credentials with a certificate that `authority` has just issued for 127.0.0.1.
    static func credentials(
        _ authority: CertificateAuthority, clients: CertificateAuthority?
    ) async throws -> TLSCredentials {
        let issued = try await authority.issue("/CN=server", for: .server, names: "IP:127.0.0.1")
        return try TLSCredentials(
            certificateChain: bytes(issued.certificate), privateKey: bytes(issued.key),
            clientAuthorities: try clients.map { try bytes($0.certificate) })
    }

    static func bytes(_ file: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: file))) }

    /// curl, which believes the server's authority alone.
    func curl(_ arguments: [String], client: Issued? = nil, input: String = "") async throws -> Command {
        var all = ["-s", "-S", "--max-time", "30", "--noproxy", "*", "--cacert", serverAuthority.certificate]
        if let client { all += ["--cert", client.certificate, "--key", client.key] }
        return try await Command.run("curl", all + arguments, input: input)
    }

    /// The status of a GET; nil when there was no answer.
    func status(client: Issued? = nil, _ arguments: [String] = []) async throws -> Int? {
        let command = try await curl(
            ["-o", "/dev/null", "-w", "%{http_code}"] + arguments + [url + "/"], client: client)
        return command.status == 0 ? Int(command.text) : nil
    }
}

/// Answers with what `accepting` says, and refusals with why.
private struct TLSHandler: RequestHandler {
    let accepting: @Sendable (Request) -> Disposition

    func accept(_ request: Request) -> Disposition { accepting(request) }

    func response(to refusal: Refusal, of request: Request) -> Response {
        guard case .certificateRefused(let why) = refusal else { return Response(status: .serviceUnavailable) }
        return Response(status: .unauthorized, body: Array(why.utf8))
    }
}
