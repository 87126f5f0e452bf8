import ArgumentParser
import CNI
import SystemPackage
import Testing

@testable import netnsd

@Suite("CNI, as it is configured") struct NetworkOptionsTests {
    private func settings(_ arguments: [String], _ environment: [String: String] = [:]) throws -> NetworkSettings {
        try NetworkSettings(try NetworkOptions.parse(arguments), environment: environment)
    }

    @Test("without a word it is where distributions and libcni have it")
    func defaults() throws {
        let configuration = try settings([]).configuration
        #expect(configuration.directories == ["/etc/cni/net.d"])
        #expect(configuration.pluginPath == ["/usr/lib/cni", "/opt/cni/bin"])
        #expect(configuration.cacheDirectory == "/var/lib/cni")
        #expect(configuration.timeout == .seconds(60))
    }

    @Test("flags go before variables, and those before defaults")
    func order() throws {
        let environment = [
            "NETNSD_CNI_CONF_DIR": "/a:/b", "NETNSD_CNI_PATH": "/c:/d", "NETNSD_CNI_CACHE_DIR": "/e",
            "NETNSD_CNI_TIMEOUT_SECONDS": "7", "PATH": "/f",
        ]
        let variables = try settings([], environment).configuration
        #expect(variables.directories == ["/a", "/b"] && variables.pluginPath == ["/c", "/d"])
        #expect(variables.cacheDirectory == "/e" && variables.timeout == .seconds(7) && variables.searchPath == "/f")
        let arguments = [
            "--cni-conf-dir", "/1", "--cni-conf-dir", "/2", "--cni-path", "/3:/4", "--cni-cache-dir", "/5",
            "--cni-timeout-seconds", "8",
        ]
        let flags = try settings(arguments, environment).configuration
        #expect(flags.directories == ["/1", "/2"] && flags.pluginPath == ["/3", "/4"])
        #expect(flags.cacheDirectory == "/5" && flags.timeout == .seconds(8))
    }

    @Test(
        "what is no absolute path or no number of seconds is refused",
        arguments: [
            (["--cni-conf-dir", "a"], [:]), (["--cni-path", "/a:b"], [:]), (["--cni-cache-dir", "a"], [:]),
            (["--cni-timeout-seconds", "0"], [:]), ([], ["NETNSD_CNI_TIMEOUT_SECONDS": "soon"]),
            ([], ["NETNSD_CNI_CONF_DIR": "a"]),
        ] as [([String], [String: String])])
    func refused(_ arguments: [String], _ environment: [String: String]) throws {
        #expect(throws: ValidationError.self) { try settings(arguments, environment) }
    }
}
