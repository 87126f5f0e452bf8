import Glibc
import HTTPTypes
import Synchronization
import Testing

@testable import MicroHTTP

@Suite("The peer of a connection") struct PeerTests {
    @Test("is who connected on a Unix socket, and unknown on TCP") func peer() async throws {
        let peers = Mutex<[Peer?]>([])
        let accepting: @Sendable (Request) -> Disposition = { request in
            peers.withLock { $0.append(request.peer) }
            return .respond(Response(status: .ok))
        }
        try await StreamBench.with(accepting: accepting) { bench in
            for client in [try bench.client(), try bench.tcpClient()] {
                client.send(StreamBench.get)
                #expect(client.answer().hasPrefix("HTTP/1.1 200"))
            }
        }
        #expect(peers.withLock { $0 } == [Peer(user: getuid(), group: getgid(), process: getpid()), nil])
    }
}
