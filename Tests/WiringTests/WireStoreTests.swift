import Foundation
import NamespaceCore
import Netlink
import SystemPackage
import Testing

@testable import Wiring

@Suite("Records of wires")
struct WireStoreTests {
    /// Runs `body` with a store in a directory of its own, which is the store's parent.
    private func withStore(_ body: (WireStore, String) throws -> Void) throws {
        let directory = "/tmp/netnsd-test-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(try WireStore(directory: FilePath(directory)), directory + "/wires")
    }

    private func files(_ directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    }

    /// A wire with everything that there can be, between namespaces that others have named.
    private func wire(_ id: String, isBare: Bool = false) throws -> Wire {
        let a = try #require(NamespaceName(bytes: Array("ä \"b\"".utf8)))
        let b = try #require(NamespaceName(bytes: [0x62, 0xff, 0x25]))
        var ends = [
            Wire.End(namespace: a, link: try #require(LinkName("x\\0"))),
            Wire.End(namespace: b, link: try #require(LinkName("ü"))),
        ]
        if !isBare {
            ends[0].mac = MACAddress("02:00:00:00:00:01")
            ends[0].originalMAC = ends[0].mac
            ends[0].index = 2
            ends[1].originalMAC = MACAddress("02:00:00:00:00:02")
            ends[1].index = .max
            ends[0].addresses = ["10.0.0.1/24", "fd00::1/64"].compactMap { IPPrefix($0) }
            for field in WireImpairment.integers { ends[0].impairment[keyPath: field.path] = field.range.upperBound }
            for (index, field) in WireImpairment.percentages.enumerated() {
                ends[1].impairment[keyPath: field.path] = [0.1, 33.333333333333336, 100, 0][index]
            }
        }
        return Wire(
            id: try #require(WireID(bytes: Array(id.utf8))), a: ends[0], b: ends[1], mtu: isBare ? nil : 1400,
            createdAt: Timestamp(milliseconds: 1_700_000_000_123), createdBy: isBare ? nil : "token:\"me\"")
    }

    @Test("A wire is read as it was written", arguments: [false, true])
    func roundTrip(isBare: Bool) throws {
        try withStore { store, directory in
            let wire = try wire("w", isBare: isBare)
            try store.begin(wire, bootID: "boot")
            #expect(try files(directory) == ["w.making"])
            try store.commit(wire, bootID: "boot")
            #expect(try files(directory) == ["w.json"])
            let contents = try store.load(bootID: "boot")
            #expect(contents.wires == [wire])
            #expect(contents.unfinished.isEmpty)
            #expect(contents.setAside.isEmpty)
        }
    }

    @Test("What was begun and not finished is told apart, and can be given up")
    func unfinished() throws {
        try withStore { store, directory in
            let (one, other) = (try wire("one"), try wire("other", isBare: true))
            try store.begin(one, bootID: "boot")
            try store.begin(other, bootID: "boot")
            try store.commit(other, bootID: "boot")
            let contents = try store.load(bootID: "boot")
            #expect(contents.wires == [other])
            #expect(contents.unfinished == [one])
            try store.abandon(one.id)
            try store.abandon(one.id)
            #expect(try files(directory) == ["other.json"])
            #expect(try store.load(bootID: "boot").unfinished.isEmpty)
        }
    }

    @Test("A wire that was finished, and whose beginning is still there, is finished")
    func finishedTwice() throws {
        try withStore { store, directory in
            let wire = try wire("w")
            try store.commit(wire, bootID: "boot")
            try store.begin(wire, bootID: "boot")
            let contents = try store.load(bootID: "boot")
            #expect(contents.wires == [wire])
            #expect(contents.unfinished.isEmpty)
            #expect(try files(directory) == ["w.json"])
        }
    }

    @Test("A record can be replaced and removed, also twice")
    func replaced() throws {
        try withStore { store, directory in
            var wire = try wire("w")
            try store.begin(wire, bootID: "boot")
            try store.commit(wire, bootID: "boot")
            wire.a.impairment = WireImpairment()
            wire.b.impairment.lossPercent = 2.5
            try store.replace(wire, bootID: "boot")
            #expect(try store.load(bootID: "boot").wires == [wire])
            try store.remove(wire.id)
            try store.remove(wire.id)
            #expect(try files(directory).isEmpty)
        }
    }

    @Test("Of what was before the host was booted nothing is left")
    func otherBoot() throws {
        try withStore { store, directory in
            for id in ["one", "other"] { try store.begin(try wire(id), bootID: "before") }
            try store.commit(try wire("one"), bootID: "before")
            let contents = try store.load(bootID: "boot")
            #expect(contents.wires.isEmpty)
            #expect(contents.unfinished.isEmpty)
            #expect(try files(directory).isEmpty)
        }
    }

    static let unreadable = [
        "", "{", "null", "[]", "{}", #"{"id":"w"}"#, "\u{0}",
        #"{"id":"w","a":{"namespace":"a","link":"a/b","addresses":[]},"b":{"namespace":"b","link":"y","addresses":[]},"createdAtMilliseconds":1,"boot":"boot"}"#,
        #"{"id":".","a":{"namespace":"a","link":"x","addresses":[]},"b":{"namespace":"b","link":"y","addresses":[]},"createdAtMilliseconds":1,"boot":"boot"}"#,
    ]

    @Test("What cannot be read is set aside, and what was just begun forgotten", arguments: unreadable)
    func setAside(_ text: String) throws {
        try withStore { store, directory in
            for name in ["bad.json", "bad.making", "bad.json.tmp"] {
                try Data(text.utf8).write(to: URL(filePath: directory + "/" + name))
            }
            try store.begin(try wire("good"), bootID: "boot")
            try store.commit(try wire("good"), bootID: "boot")
            let contents = try store.load(bootID: "boot")
            #expect(contents.wires == [try wire("good")])
            #expect(contents.unfinished.isEmpty)
            #expect(contents.setAside.map(\.string) == [directory + "/bad.json"])
            #expect(try files(directory) == ["bad.json.unreadable", "good.json"])
            #expect(try store.load(bootID: "boot").setAside.isEmpty)
        }
    }

    @Test("Ids are names that we would make namespaces of")
    func ids() {
        for text in ["w", "r1-r2", "A.b_c", String(repeating: "x", count: 64), "w.json", "w.making"] {
            #expect(WireID(bytes: Array(text.utf8))?.description == text)
        }
        for text in ["", ".", "..", ".w", "-w", "a/b", "a b", "ä", String(repeating: "x", count: 65)] {
            #expect(WireID(bytes: Array(text.utf8)) == nil, "\(text)")
        }
    }
}
