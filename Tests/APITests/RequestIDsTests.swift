import Testing

@testable import API

@Suite("Request ids") struct RequestIDsTests {
    @Test(
        "an id is the run and the count, in digits that sort",
        arguments: [
            (0, 0, "00000-000000000"), (35, 36, "0000z-000000010"),
            (60_466_175, 101_559_956_668_415, "zzzzz-zzzzzzzzz"),
            (60_466_176, 101_559_956_668_416, "00000-000000000"), (1_679_616, 1, "10000-000000001"),
        ] as [(UInt64, UInt64, String)])
    func name(run: UInt64, count: UInt64, expected: String) {
        #expect(RequestIDs.name(run: run, count: count) == expected)
    }

    @Test("ids of one run differ only behind the hyphen, and grow") func order() {
        let ids = (1...2000).map { RequestIDs.name(run: 7, count: $0) }
        #expect(ids == ids.sorted() && Set(ids).count == 2000)
        #expect(Set(ids.map { $0.prefix(6) }) == ["00007-"])
    }
}
