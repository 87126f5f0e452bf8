import LinuxKit
import SystemPackage
import TestSupport
import Testing

@testable import Netlink

@Suite("Queueing disciplines", .tags(.kernel)) struct QueueDisciplineTests {
    @Test(
        "a rate is limited, changed and freed",
        arguments: [UInt64(125_000), 125_000_000, 12_500_000_000])
    func rate(bytesPerSecond: UInt64) async throws {
        try await withNamespace { space in
            let link = try await space.addPair()
            for factor in [1, 2] as [UInt64] {
                let bucket = TokenBucket(
                    bytesPerSecond: bytesPerSecond * factor, burstBytes: 32_000, limitBytes: 100_000)
                try await space.run { (socket) throws(SystemError) in
                    try socket.impair(link, Impairment(rate: bucket))
                }
                let text = try await space.command("tc -j -d qdisc show dev a").output
                let shown = try JSONValue(parsing: text)
                #expect(shown["0.kind"] == "tbf" && shown["0.root"] == true)
                #expect(shown["0.options.rate"]?.int == Int(bytesPerSecond * factor))
                #expect(shown.array?.count == 1)
                let read = try await space.run { (socket) throws(SystemError) in
                    try socket.queueDisciplines(of: link)
                }
                #expect(read.count == 1 && read[0].isRoot && read[0].kind == "tbf")
                let found = try #require(read[0].tokenBucket)
                #expect(found.bytesPerSecond == bucket.bytesPerSecond && found.limitBytes == 100_000)
                // The kernel keeps the time that a burst takes, in units of 64 ns.
                let unit = UInt32(bucket.bytesPerSecond * 64 / 1_000_000_000) + 1
                #expect((32_000 - unit...32_000 + unit).contains(found.burstBytes))
            }
            for _ in 0..<2 {
                try await space.run { (socket) throws(SystemError) in try socket.impair(link, Impairment()) }
                #expect(try await space.command("tc qdisc show dev a").text.contains("noqueue"))
            }
        }
    }

    @Test("what tc(8) made is read, and replaced") func reading() async throws {
        try await withNamespace { space in
            let link = try await space.addPair()
            try await space.command("tc qdisc add dev a root handle 1: tbf rate 8mbit burst 10000 latency 100ms")
            let read = try await space.run { (socket) throws(SystemError) in try socket.queueDisciplines(of: link) }
            let expected = TokenBucket(bytesPerSecond: 1_000_000, burstBytes: 10_000, latencyMicroseconds: 100_000)
            #expect(read.first?.tokenBucket == expected && read.first?.handle == 0x10000)
            try await space.command("tc qdisc replace dev a root handle 6e03: htb")
            let bucket = TokenBucket(bytesPerSecond: 1_000_000, burstBytes: 10_000, limitBytes: 20_000)
            let refused = await #expect(throws: SystemError.self) {
                try await space.run { (socket) throws(SystemError) in
                    try socket.impair(link, Impairment(rate: bucket))
                }
            }
            // The very number that is used here, for something else: nobody's by chance.
            #expect(refused?.errno == .invalidArgument && refused?.operation == .addQueueDiscipline)
            try await space.command("tc qdisc replace dev a root handle 2: htb")
            try await space.run { (socket) throws(SystemError) in try socket.impair(link, Impairment(rate: bucket)) }
            #expect(try await space.command("tc qdisc show dev a").text.hasPrefix("qdisc tbf 6e03: root"))
        }
    }

    @Test("an emulation is made where the kernel has netem, and else told to be lacking, leaving what was there")
    func emulation() async throws {
        try await withNamespace { space in
            let link = try await space.addPair()
            let bucket = TokenBucket(bytesPerSecond: 1_000_000, burstBytes: 10_000, limitBytes: 20_000)
            let emulation = NetworkEmulation(
                delayMicroseconds: 20_000, jitterMicroseconds: 1000, loss: 0.25, duplicate: 0.5, corrupt: 0.125,
                reorder: 0.0625, limitPackets: 500)
            try await space.run { (socket) throws(SystemError) in try socket.impair(link, Impairment(rate: bucket)) }
            let hasEmulation =
                try await Command.run(
                    "nsenter", ["--net=\(space.path)", "tc", "qdisc", "add", "dev", "b", "root", "netem"]
                ).status == 0
            for rate in [nil, bucket] {
                let impairment = Impairment(rate: rate, emulation: emulation)
                do {
                    try await space.run { (socket) throws(SystemError) in try socket.impair(link, impairment) }
                    #expect(hasEmulation)
                    let read = try await space.run { (socket) throws(SystemError) in
                        try socket.queueDisciplines(of: link)
                    }
                    #expect(read.first { $0.isRoot }?.kind == "netem")
                    let found = try #require(read.compactMap(\.emulation).first)
                    #expect(found.delayMicroseconds == 20_000 && found.jitterMicroseconds == 1000)
                    #expect(abs(found.loss - 0.25) < 1e-6 && abs(found.reorder - 0.0625) < 1e-6)
                    #expect(found.limitPackets == 500)
                    #expect(read.compactMap(\.tokenBucket).first?.bytesPerSecond == rate?.bytesPerSecond)
                } catch let error as SystemError {
                    #expect(!hasEmulation && error.lacksKind, "\(error)")
                    #expect(error.errno == .noSuchFileOrDirectory)
                    #expect(error.explanation == "Specified qdisc kind is unknown")
                    #expect(try await space.command("tc qdisc show dev a").text.hasPrefix("qdisc tbf 6e03: root"))
                }
            }
        }
    }
}
