import ArgumentParser
import MicroHTTP
import Testing

@testable import netnsd

@Suite("How many threads there are") struct ThreadOptionsTests {
    private func settings(
        _ arguments: [String] = [], _ environment: [String: String] = [:], processors: Int = 2
    ) throws -> Settings {
        try Settings(try Options.parse(arguments), environment: environment, processors: processors)
    }

    @Test(
        "as many workers as cores, at least two, and an HTTP thread for two of them, on any host",
        arguments: [(1, 2, 1), (2, 2, 1), (8, 8, 4), (256, 256, 128), (1024, 256, 256)])
    func defaults(processors: Int, workers: Int, threads: Int) throws {
        let settings = try settings(processors: processors)
        #expect(settings.workers == workers && settings.limits.server.threads == threads)
    }

    @Test("flags go before variables, and those before defaults") func order() throws {
        let environment = ["NETNSD_WORKERS": "5", "NETNSD_HTTP_THREADS": "6"]
        let variables = try settings([], environment)
        #expect(variables.workers == 5 && variables.limits.server.threads == 6)
        let flags = try settings(["--workers", "7", "--http-threads", "8"], environment)
        #expect(flags.workers == 7 && flags.limits.server.threads == 8)
    }

    @Test("others are refused", arguments: ["--workers", "--http-threads"], ["0", "257"])
    func refused(flag: String, number: String) {
        #expect(throws: ValidationError.self) { try settings([flag, number]) }
    }
}
