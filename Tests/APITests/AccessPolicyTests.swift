import HTTPTypes
import Logging
import MicroHTTP
import NamespaceCore
import SystemPackage
import Testing

@testable import API

@Suite("The access policy")
struct AccessPolicyTests {
    /// Who the policy takes the sender of a request for; nil where it refuses with that status.
    private func resolve(
        _ policy: AccessPolicy, _ client: Client, _ fields: HeaderFields = [:]
    ) -> (name: String?, role: Role?, status: Int) {
        let request = request(client, fields)
        do throws(Problem) {
            let principal = try policy.principal(of: request)
            return (principal.name, principal.role, 200)
        } catch {
            return (nil, nil, error.status.code)
        }
    }

    private func request(_ client: Client, _ fields: HeaderFields) -> Request {
        Request(
            method: .get, target: .failure(.notAPath), headerFields: fields, contentLength: 0, client: client)
    }

    private func peer(_ user: UInt32, _ group: UInt32) -> Client {
        Client(transport: .unix, peer: Peer(user: user, group: group, process: 1))
    }

    private func holder(_ subject: String, _ names: [String] = []) -> Client {
        Client(
            transport: .tls, address: "192.0.2.7", certificate: ClientCertificate(subject: subject, names: names))
    }

    @Test("Without rules whoever the socket's file lets in may do everything")
    func noRules() {
        let policy = AccessPolicy()
        #expect(resolve(policy, peer(0, 0)) == ("uid:0", .admin, 200))
        #expect(resolve(policy, peer(1000, 1000)) == ("uid:1000", .admin, 200))
        #expect(resolve(policy, Client(transport: .unix)) == ("unix", .admin, 200))
    }

    @Test("With rules, root and who has one are let in; a user's rule goes before a group's")
    func peerRules() {
        let policy = AccessPolicy(
            peers: ["gid:7=admin", "uid:1000=operator", "gid:8=viewer"].compactMap { PeerRule($0) })
        #expect(resolve(policy, peer(0, 0)) == ("uid:0", .admin, 200))
        #expect(resolve(policy, peer(1000, 7)) == ("uid:1000", .operator, 200))
        #expect(resolve(policy, peer(1001, 8)) == ("uid:1001", .viewer, 200))
        #expect(resolve(policy, peer(1001, 9)) == (nil, nil, 403))
        #expect(resolve(policy, Client(transport: .unix)) == (nil, nil, 403))
    }

    @Test(
        "A rule for a user or group has one form",
        arguments: [
            "", "uid:1000", "uid:1000=root", "user:1000=viewer", "uid:=viewer", "uid:-1=viewer", "uid:+1=viewer",
            "uid:x=viewer", "uid:4294967296=viewer", "uid:1:2=viewer", "uid:1000=viewer ",
        ])
    func badPeerRules(_ text: String) { #expect(PeerRule(text) == nil) }

    @Test("A certificate's role is by its subject, or an alternative name")
    func certificates() {
        let policy = AccessPolicy(
            certificates: ["CN=lab, o=x=operator", "DNS:ci.example=viewer", "URI:spiffe://a/b=admin"].compactMap {
                CertificateRule($0)
            })
        #expect(resolve(policy, holder("CN=lab,O=x")) == ("certificate:CN=lab, o=x", .operator, 200))
        #expect(resolve(policy, holder("CN=lab,O=x", ["URI:spiffe://a/b"])).role == .operator)
        #expect(resolve(policy, holder("", ["DNS:ci.example"])) == ("certificate:DNS:ci.example", .viewer, 200))
        #expect(resolve(policy, holder("CN=1", ["DNS:a", "URI:spiffe://a/b"])).role == .admin)
        for other in ["CN=lab", "O=x,CN=lab", "CN=lab,O=x,C=DE", "CN=LAB,O=x", #"CN=lab\,O=x"#, "CN=DNS:ci.example"] {
            #expect(resolve(policy, holder(other)) == (nil, nil, 403), "\(other)")
        }
        #expect(resolve(policy, holder("", ["DNS:ci.example.evil", "URI:ci.example"])) == (nil, nil, 403))
        #expect(resolve(policy, Client(transport: .tls, address: "192.0.2.7")) == (nil, nil, 401))
    }

    @Test(
        "A rule for certificates has one form",
        arguments: [
            "", "CN=lab", "=viewer", "DNS:=viewer", "lab=viewer", "CN=lab,=viewer", "CN=lab=root",
            "IP:192.0.2.1=viewer",
        ])
    func badCertificateRules(_ text: String) { #expect(CertificateRule(text) == nil) }

    @Test("Where nobody is asked, whoever presents nothing may do everything, and what is presented must be valid")
    func unauthenticated() {
        let policy = AccessPolicy(allowsUnauthenticatedTCP: true)
        let client = Client(transport: .tcp, address: "192.0.2.7")
        #expect(resolve(policy, client) == ("address:192.0.2.7", .admin, 200))
        #expect(resolve(policy, client, [.authorization: "Bearer x"]) == (nil, nil, 401))
        #expect(resolve(policy, client, [.authorization: "Basic x"]) == (nil, nil, 401))
    }

    @Test("A Host is the listener's address, with any port, or one that is allowed besides")
    func hosts() throws {
        let listeners = try ["192.0.2.1:80", "[2001:db8::1]:80", "lab.example:80"].map {
            try ListenAddress(parsingTCP: $0)
        }
        let hosts = AllowedHosts(listeners, extra: ["Other.example"])
        for good in [
            "192.0.2.1", "192.0.2.1:80", "192.0.2.1:9", "[2001:db8::1]:80", "[2001:DB8::1]", "lab.example",
            "LAB.example.",
            "other.example:443",
        ] {
            #expect(hosts.allow(good), "\(good)")
        }
        for bad in [
            "", "localhost", "127.0.0.1", "192.0.2.2", "evil.example", "lab.example.evil", "192.0.2.1:80:80",
            "192.0.2.1:x", "[2001:db8::1", "[2001:db8::1]x", ":80", "lab.example@evil", "2001:db8::1",
            "192.0.2.1:\u{301}80", "[2001:db8::1]\u{301}:80", "[\u{301}2001:db8::1]", "192.0.2.1\u{301}:80",
        ] {
            #expect(!hosts.allow(bad), "\(bad)")
        }
        for (listener, names) in [
            ("127.0.0.1:80", ["localhost", "127.0.0.1:80", "[::1]"]),
            ("0.0.0.0:80", ["192.0.2.9", "[2001:db8::9]:80"]),
        ] {
            let hosts = AllowedHosts([try ListenAddress(parsingTCP: listener)])
            for name in names { #expect(hosts.allow(name), "\(name)") }
            #expect(!hosts.allow("evil.example"))
            #expect(!hosts.allow("1.2.3.4.evil.example"))
        }
    }

    @Test("Each right is some role's, and each role has what the ones before it have")
    func roles() {
        for right in Right.allCases {
            #expect(Role.admin.has(right))
            #expect(!Role.viewer.has(right) || Role.operator.has(right))
        }
        #expect(Right.allCases.filter { Role.viewer.has($0) } == [.open, .read])
    }
}
