import ArgumentParser
import Testing

@testable import netnsd

@Suite("Namespaces made in advance, as they are asked for") struct PoolOptionsTests {
    @Test(
        "the flag goes before the variable, and that before twice the workers",
        arguments: [
            ([], [:], 6), ([], ["NETNSD_WARM": "9"], 9), (["--warm", "1"], ["NETNSD_WARM": "9"], 1),
            (["--warm", "0"], [:], 0), ([], ["NETNSD_WARM": ""], 6), (["--warm", "1024"], [:], 1024),
        ] as [([String], [String: String], Int)])
    func number(_ arguments: [String], _ environment: [String: String], _ expected: Int) throws {
        let options = try PoolOptions.parse(arguments)
        #expect(try options.namespaces(environment: environment, workers: 3) == expected)
    }

    @Test("many workers make no more than the most there may be in advance")
    func most() throws {
        #expect(try PoolOptions.parse([]).namespaces(environment: [:], workers: 600) == 1024)
    }

    @Test(
        "what is no number from 0 to 1024 is refused",
        arguments: [
            ([], ["NETNSD_WARM": "few"]), ([], ["NETNSD_WARM": "-1"]), (["--warm", "1025"], [:]),
        ] as [([String], [String: String])])
    func refused(_ arguments: [String], _ environment: [String: String]) throws {
        let options = try PoolOptions.parse(arguments)
        #expect(throws: ValidationError.self) { try options.namespaces(environment: environment, workers: 3) }
    }
}
