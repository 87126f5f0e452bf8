import Foundation
import TestSupport
import Testing

@testable import CNI

@Suite("CNI configurations")
struct ConfigurationTests {
    @Test(
        "What is no list is refused with a reason",
        arguments: [
            ("[]", "not an object"), ("{", "no JSON"), (#"{"plugins":[{"type":"a"}]}"#, "name"),
            (#"{"name":"-a","plugins":[{"type":"a"}]}"#, "name"), (#"{"name":"a","plugins":[]}"#, "plugins"),
            (#"{"name":"a","plugins":[{}]}"#, "type"), (#"{"name":"a","plugins":[{"type":"../a"}]}"#, "type"),
            (#"{"name":"a","cniVersion":"1","plugins":[{"type":"a"}]}"#, "version"),
            (#"{"name":"a","cniVersion":"1.0.x","plugins":[{"type":"a"}]}"#, "version"),
            (#"{"name":"a","disableCheck":"no","plugins":[{"type":"a"}]}"#, "disableCheck"),
            (#"{"name":"a","loadOnlyInlinedPlugins":true}"#, "plugins"),
        ])
    func refused(_ text: String, _ reason: String) throws {
        let error = failure { () throws(CNIError) in try NetworkConfiguration(parsing: Array(text.utf8)) }
        #expect(error?.reason.name == "invalidConfiguration")
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "no error")")
    }

    @Test("Lists go before plugins alone, the first name first, and a broken file keeps no other from being found")
    func directories() async throws {
        try await withPlugins { home in
            let files = [
                "00-broken.conflist": "{", "20-list.conflist": #"{"name":"net","plugins":[{"type":"list"}]}"#,
                "30-late.conflist": #"{"name":"net","plugins":[{"type":"late"}]}"#,
                "10-single.conf": #"{"name":"net","type":"single"}"#,
                "11-old.json": #"{"cniVersion":"0.2.0","name":"old","type":"single","more":[1]}"#,
                "12-other.txt": #"{"name":"text","type":"single"}"#,
            ]
            for (name, text) in files {
                try text.write(toFile: "\(home.root)/net.d/\(name)", atomically: true, encoding: .utf8)
            }
            #expect(try home.networks.network("net").plugins.map(\.type) == ["list"])
            let old = try home.networks.network("old")
            #expect(old.versions.map(\.description) == ["0.2.0"])
            let kept = try JSONValue(parsing: Data(old.bytes))
            #expect(
                kept == [
                    "cniVersion": "0.2.0", "name": "old",
                    "plugins": [["cniVersion": "0.2.0", "name": "old", "type": "single", "more": [1]]],
                ])
            let error = failure { () throws(CNIError) in try home.networks.network("text") }
            #expect(error?.reason.name == "networkNotFound")
            #expect(error?.message.contains("00-broken.conflist") == true)
        }
    }

    @Test("Plugins in the directory of the network's name are at the end of its chain, and kept with it")
    func dropIns() async throws {
        try await withPlugins { home in
            try home.network(#"{"type":"one"}"#)
            try FileManager.default.createDirectory(
                atPath: "\(home.root)/net.d/net", withIntermediateDirectories: false)
            try #"{"type":"two"}"#.write(
                toFile: "\(home.root)/net.d/net/10.conf", atomically: true, encoding: .utf8)
            let network = try home.networks.network("net")
            #expect(network.plugins.map(\.type) == ["one", "two"])
            let kept = try NetworkConfiguration(parsing: network.bytes)
            #expect(kept.plugins.map(\.type) == ["one", "two"] && !kept.loadsMorePlugins)
            try home.network(#"{"type":"one"}"#, more: #""loadOnlyInlinedPlugins":true,"#)
            #expect(try home.networks.network("net").plugins.map(\.type) == ["one"])
        }
    }

    @Test("Base64 is as Foundation has it, and nothing else is")
    func base64() throws {
        for count in 0..<70 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255) }
            let text = Data(bytes).base64EncodedString()
            #expect(Base64.encode(bytes) == text)
            #expect(Base64.decode(text) == bytes)
        }
        for text in ["a", "ab", "abc", "a===", "====", "ab=c", "a b=", "ab\n=", "é123"] {
            #expect(Base64.decode(text) == nil, "\(text)")
        }
    }

    @Test("Names are what the specification and the kernel take")
    func names() {
        for name in ["a", "0", "a.b-c_d", "A"] { #expect(Identifiers.isIdentifier(name), "\(name)") }
        for name in ["", "-a", ".a", "a/b", "a b", "é", "a;b"] { #expect(!Identifiers.isIdentifier(name), "\(name)") }
        for name in ["eth0", "a", "-", "123456789012345"] { #expect(Identifiers.isInterfaceName(name), "\(name)") }
        for name in ["", ".", "..", "a/b", "a:b", "a%d", "a b", "é", "1234567890123456"] {
            #expect(!Identifiers.isInterfaceName(name), "\(name)")
        }
        for text in ["a=b", "a;b", "a\nb"] { #expect(!Identifiers.isArgument(text)) }
        #expect(Identifiers.isArgument("10.0.0.1/24 é"))
    }

    @Test("Versions are ordered by their numbers, and nothing is the oldest")
    func versions() throws {
        let ordered = try ["", "0.2.0", "0.10.0", "1.0.0", "1.1.0"].map { try #require(SpecVersion($0)) }
        #expect(ordered == ordered.sorted() && Set(ordered).count == 5)
        for text in ["1", "1.0", "1.0.0.0", "a.b.c", "1.0.-1", "+1.0.0", "1..0"] { #expect(SpecVersion(text) == nil) }
    }
}
