/// Who is at the other end of a connection, as far as the connection itself tells.
public struct Client: Sendable, Equatable {
    /// What carries the connection.
    public enum Transport: Sendable, Equatable {
        /// A Unix socket.
        case unix
        /// TCP in the clear.
        case tcp
        /// TLS over TCP.
        case tls
    }

    /// What carries the connection.
    public let transport: Transport
    /// The process that connected, on a Unix socket; nil on TCP, and where the kernel does not say.
    public let peer: Peer?
    /// The client's IP address without its port, such as `192.0.2.7` or `2001:db8::7`; nil on a Unix socket.
    public let address: String?
    /// The certificate that the client has proved to hold, if the server's client authorities vouch for it now. A
    /// client that has presented another one is not asked about: see ``Refusal/certificateRefused(_:)``.
    public let certificate: ClientCertificate?
    /// What accounts are kept by when nothing else is known of it: `uid:UID`, `address:ADDRESS`, or the transport.
    public let name: String

    /// Describes a client.
    public init(
        transport: Transport, peer: Peer? = nil, address: String? = nil, certificate: ClientCertificate? = nil
    ) {
        self.transport = transport
        self.peer = peer
        self.address = address
        self.certificate = certificate
        // Here, since a connection's requests share it.
        name = peer.map { "uid:\($0.user)" } ?? address.map { "address:\($0)" } ?? "\(transport)"
    }

    /// The same client, now that it has presented something.
    func presenting(_ certificate: ClientCertificate) -> Client {
        Client(transport: transport, peer: peer, address: address, certificate: certificate)
    }
}
