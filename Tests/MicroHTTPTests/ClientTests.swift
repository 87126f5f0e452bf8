import Glibc
import HTTPTypes
import Synchronization
import Testing

@testable import MicroHTTP

@Suite("The client of a connection") struct ClientTests {
    @Test("is a process on a Unix socket, and an address on TCP") func client() async throws {
        let clients = Mutex<[Client]>([])
        let accepting: @Sendable (Request) -> Disposition = { request in
            clients.withLock { $0.append(request.client) }
            return .respond(Response(status: .ok))
        }
        try await StreamBench.with(accepting: accepting) { bench in
            for client in [try bench.client(), try bench.tcpClient()] {
                client.send(StreamBench.get)
                #expect(client.answer().hasPrefix("HTTP/1.1 200"))
            }
        }
        let peer = Peer(user: getuid(), group: getgid(), process: getpid())
        #expect(
            clients.withLock { $0 } == [
                Client(transport: .unix, peer: peer), Client(transport: .tcp, address: "127.0.0.1"),
            ])
    }
}
