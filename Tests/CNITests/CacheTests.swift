import Foundation
import JSONText
import TestSupport
import Testing

@testable import CNI

@Suite("libcni's cache", .serialized)
struct CacheTests {
    private let key = AttachmentKey(network: "net", containerID: "blue", interface: "eth0")

    @Test("What we write is what libcni reads, member by member")
    func written() async throws {
        try await withPlugins { home in
            try home.plugin("one")
            try home.network(#"{"type":"one","capabilities":{"mac":true}}"#)
            _ = try home.networks.add(
                key,
                RuntimeConfiguration(
                    namespace: "/run/netns/blue", arguments: [("A", "b"), ("IgnoreUnknown", "1")],
                    capabilities: ["mac": .string("02:11:22:33:44:55")]))
            let list = try Data(contentsOf: URL(filePath: "\(home.root)/net.d/net.conflist"))
            #expect(
                try home.cached("net-blue-eth0") == [
                    "kind": "cniCacheV1", "containerId": "blue", "config": .string(list.base64EncodedString()),
                    "ifName": "eth0", "networkName": "net", "netns": "/run/netns/blue",
                    "cniArgs": [["A", "b"], ["IgnoreUnknown", "1"]],
                    "capabilityArgs": ["mac": "02:11:22:33:44:55"],
                    "result": [
                        "cniVersion": "1.0.0", "interfaces": [["name": "eth0", "mac": "02:00:00:00:00:31"]],
                    ],
                ])
            let file = try FileManager.default.attributesOfItem(atPath: "\(home.root)/cache/results/net-blue-eth0")
            #expect(file[.posixPermissions] as? Int == 0o600)
            let directory = try FileManager.default.attributesOfItem(atPath: "\(home.root)/cache/results")
            #expect(directory[.posixPermissions] as? Int == 0o700)
        }
    }

    @Test("What tells the request apart is kept with an attachment that was made for one")
    func request() async throws {
        try await withPlugins { home in
            try home.plugin("one")
            try home.network(#"{"type":"one"}"#)
            let runtime = RuntimeConfiguration(namespace: "/run/netns/blue")
            let made = try home.networks.add(key, runtime, for: "f00 \"me\" key")
            #expect(made.request == "f00 \"me\" key")
            #expect(try home.cached("net-blue-eth0")["netnsdRequest"] == "f00 \"me\" key")
            #expect(try home.networks.cache.all().map(\.request) == ["f00 \"me\" key"])
        }
    }

    @Test("What libcni wrote, by its older versions too, is read, and taken away as it was made")
    func read() async throws {
        try await withPlugins { home in
            try home.plugin("one")
            let configuration = #"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"one","mine":1}]}"#
            let directory = "\(home.root)/cache/results"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            // As json.Marshal writes the struct cachedInfo of libcni 1.3, but for the last member, which is a later one's.
            try """
            {"kind":"cniCacheV1","containerId":"blue","config":"\(Data(configuration.utf8).base64EncodedString())",\
            "ifName":"eth0","networkName":"net","netns":"/var/run/netns/blue","cniArgs":[["IgnoreUnknown","1"]],\
            "capabilityArgs":{"mac":"02:11:22:33:44:55"},"result":{"cniVersion":"1.0.0","dns":{},"ips":\
            [{"address":"10.1.0.9/24"}]},"later":true}
            """.write(toFile: "\(directory)/net-blue-eth0", atomically: true, encoding: .utf8)
            try #"{"kind":"cniCacheV1","containerId":"b","config":"","ifName":"eth1","networkName":"net"}"#
                .write(toFile: "\(directory)/net-b-eth1", atomically: true, encoding: .utf8)
            for (name, text) in [("net-x-eth0", "{"), ("net-y-eth0", #"{"kind":"other"}"#), ("net-z-eth0.tmp~", "")] {
                try text.write(toFile: "\(directory)/\(name)", atomically: true, encoding: .utf8)
            }
            let all = try home.networks.cache.all()
            #expect(Set(all.map(\.key.id)) == ["net-blue-eth0", "net-b-eth1"])
            let attachment = try #require(all.first { $0.key == key })
            #expect(attachment.runtime.namespace == "/var/run/netns/blue")
            #expect(attachment.configuration == Array(configuration.utf8))
            try home.networks.delete(attachment)
            let input = try home.input("one", "DEL")
            #expect(input["mine"] == 1)
            #expect(input["prevResult"]?["ips"]?[0]?["address"] == "10.1.0.9/24")
            let environment = try String(contentsOfFile: "\(home.root)/seen/one.DEL.env", encoding: .utf8)
            #expect(environment.contains("CNI_NETNS=/var/run/netns/blue\n"))
            #expect(environment.contains("CNI_ARGS=IgnoreUnknown=1\n"))
            #expect(!home.ids.contains("net-blue-eth0"))
            // Without any configuration there is nothing to run.
            try home.networks.delete(try #require(all.first { $0.key != key }))
            #expect(home.log == ["DEL one"])
        }
    }

    @Test(
        "Where no namespace is noted, as by libcni before 1.3, it is where the plugins say that the interface is",
        arguments: [
            (#"{"name":"veth7"},{"name":"eth0","sandbox":"/run/netns/blue"}"#, "/run/netns/blue"),
            (
                #"{"name":"eth1","sandbox":"/run/netns/red"},{"name":"eth0","sandbox":"/run/netns/blue"}"#,
                "/run/netns/blue"
            ),
            // No path: a machine's id, or nothing.
            (#"{"name":"eth0","sandbox":"vm-17"}"#, ""), (#"{"name":"eth0"}"#, ""), ("", ""), ("1", ""),
        ])
    func sandbox(_ interfaces: String, _ namespace: String) throws {
        let text = """
            {"kind":"cniCacheV1","containerId":"blue","ifName":"eth0","networkName":"net",\
            "result":{"cniVersion":"1.0.0","interfaces":[\(interfaces)]}}
            """
        let attachment = try #require(Attachment(parsing: Array(text.utf8), modified: 0))
        #expect(attachment.runtime.namespace == namespace)
    }

    @Test("A result of nearly a megabyte, beside a configuration of half of one, is kept and taken away")
    func large() async throws {
        try await withPlugins { home in
            try home.plugin(
                "one",
                """
                [ $CNI_COMMAND = ADD ] && {
                printf '{"cniVersion":"1.0.0","x":"'; head -c 1000000 /dev/zero | tr '\\0' x; echo '"}'; exit; }
                """)
            let filler = String(repeating: "y", count: 500_000)
            try home.network(#"{"type":"one","filler":"\#(filler)"}"#)
            let attachment = try home.networks.add(key, RuntimeConfiguration(namespace: "/none"))
            #expect(attachment.modified > 0)
            try home.networks.delete(try #require(home.networks.cache.attachment("net-blue-eth0")))
            #expect(home.ids.isEmpty)
        }
    }

    @Test("There is nothing where no cache is")
    func absent() async throws {
        try await withPlugins { home in
            #expect(home.networks.cache.state == nil)
            let all = try home.networks.cache.all()
            #expect(all.isEmpty)
            #expect(home.networks.cache.attachment("net-blue-eth0") == nil)
            #expect(home.networks.cache.attachment("../etc/passwd") == nil)
        }
    }
}
