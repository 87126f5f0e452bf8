import SystemPackage
import TestSupport
import Testing

@testable import LinuxKit

@Suite("Reading broken mountinfo") struct MountInfoMutationTests {
    private static let host = """
        22 27 0:21 / /proc rw,relatime - proc proc rw
        27 1 254:0 / / rw,relatime shared:1 master:2 propagate_from:3 - ext4 /dev/vda rw
        42 27 254:0 /run/netns /run/a\\040b\\134c rw,relatime shared:7 - ext4 /dev/vda rw
        43 42 0:4 net:[4026532185] /run/netns/t1 rw shared:8 - nsfs nsfs rw

        """

    @Test(
        "mutated lines never crash the parser, and leave the others as they are",
        arguments: 1...20 as ClosedRange<UInt64>)
    func mutated(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let lines = Self.host.split(separator: "\n").map { Array($0.utf8) }
        let last = MountInfo(parsing: lines[3]).mounts
        for _ in 0..<500 {
            var content = Array(lines[0..<3].joined(separator: [UInt8(ascii: "\n")]))
            for _ in 0...Int.random(in: 0..<8, using: &random) { Self.mutate(&content, &random) }
            let mounts = MountInfo(parsing: content + [UInt8(ascii: "\n")] + lines[3]).mounts
            #expect(mounts.last == last.last)
            #expect(mounts.count <= content.count)
        }
    }

    private static func mutate(_ content: inout [UInt8], _ random: inout SeededGenerator) {
        guard !content.isEmpty else { return }
        let index = Int.random(in: 0..<content.count, using: &random)
        let special = Array(" \n\\-:,[]079\t\0".utf8) + [0x80, 0xff]
        switch Int.random(in: 0..<5, using: &random) {
        case 0: content[index] = UInt8.random(in: 0...255, using: &random)
        case 1: content[index] = special.randomElement(using: &random) ?? 0
        case 2: content.remove(at: index)
        case 3: content.insert(special.randomElement(using: &random) ?? 0, at: index)
        default: content.removeSubrange(index..<min(content.count, index + Int.random(in: 1..<40, using: &random)))
        }
    }
}
