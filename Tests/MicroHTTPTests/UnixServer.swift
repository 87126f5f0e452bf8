import Foundation
import Logging
import MicroHTTP

/// Runs `body` with a server on a Unix socket of its own, and what connects to it.
func withUnixServer(
    _ configuration: HTTPServer.Configuration, _ handler: any RequestHandler,
    _ logger: Logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
    _ body: (_ connect: @escaping () throws -> RawClient) throws -> Void
) async throws {
    let path = "/tmp/microhttp-\(UUID().uuidString).sock"
    let server = try HTTPServer.start(
        on: [.unix(path: path, mode: 0o600, group: nil)], configuration: configuration, handler: handler, logger: logger
    )
    do {
        try body { try RawClient(path: path) }
    } catch {
        await server.shutdown(deadline: .seconds(1))
        throw error
    }
    await server.shutdown(deadline: .seconds(5))
}
