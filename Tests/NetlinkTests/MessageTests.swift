import CNetlink
import Testing

@testable import Netlink

extension Request {
    /// The message as it is sent, in hexadecimal, from the family's header on.
    fileprivate var hexadecimal: String {
        guard let header = nlmsg_hdr(message) else { return "" }
        let bytes = UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len)).dropFirst(16)
        return bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}

@Suite("Messages") struct MessageTests {
    // The same as strace(1) shows of: tc qdisc replace dev va root handle 6e02: netem delay 20ms 1ms loss 25%
    // duplicate 50% corrupt 12.5% reorder 6.25% limit 500. Kernels without netem do not tell whether it is right.
    @Test("an emulation is told as tc(8) tells it, and all of it at every change") func emulation() throws {
        let emulation = NetworkEmulation(
            delayMicroseconds: 20_000, jitterMicroseconds: 1000, loss: 0.25, duplicate: 0.5, corrupt: 0.125,
            reorder: 0.0625, limitPackets: 500)
        let message = try Request.replaceEmulation(3, emulation, handle: 0x6e02_0000).hexadecimal
        let header = "00000000" + "03000000" + "0000026e" + "ffffffff" + "00000000"
        let kind = "0a000100" + "6e6574656d00" + "0000"
        let options = "b4c40400" + "f4010000" + "00000040" + "01000000" + "00000080" + "093d0000"
        #expect(message.hasPrefix(header + kind))
        #expect(message.dropFirst((header + kind).count + 8).hasPrefix(options))
        #expect(message.contains("0c000300" + "00000010" + "00000000"))  // reorder
        #expect(message.contains("0c000400" + "00000020" + "00000000"))  // corrupt
        #expect(message.contains("10000100" + "000000000000000000000000"))  // no correlations
        #expect(message.contains("0c000a00" + "002d310100000000"))  // 20,000,000 ns
        #expect(message.contains("0c000b00" + "40420f0000000000"))  // 1,000,000 ns
    }

    @Test(
        "what is cut off, or says that it is longer than it is, is not read",
        arguments: [
            [], [8], [8, 0, 1], [3, 0, 1, 0], [0, 0, 0, 0], [9, 0, 1, 0, 1, 2, 3, 4], [255, 255, 1, 0, 1, 2, 3, 4],
        ] as [[UInt8]])
    func malformed(bytes: [UInt8]) {
        bytes.withUnsafeBytes { #expect(Array(Attributes($0)).isEmpty) }
        bytes.withUnsafeBytes { #expect(Array(Messages($0)).isEmpty) }
    }

    @Test("attributes are read in order, with their padding, and no number beyond its end") func attributes() throws {
        let bytes: [UInt8] = [5, 0, 1, 0, 7, 0, 0, 0, 8, 0, 2, 0x80, 1, 2, 3, 4, 6, 0, 3, 0, 97, 0]
        try bytes.withUnsafeBytes { buffer in
            let read = Array(Attributes(buffer))
            try #require(read.map(\.type) == [1, 2, 3])
            #expect(read[0].load(UInt8.self) == 7 && read[0].load(UInt16.self) == nil)
            #expect(read[1].load(UInt32.self) == 0x0403_0201 && read[1].load(UInt16.self, at: 2) == 0x0403)
            #expect(read[1].load(UInt16.self, at: 3) == nil && read[1].load(UInt8.self, at: -1) == nil)
            #expect(read[1].address?.description == "1.2.3.4" && read[1].mac == nil)
            #expect(read[2].text == "a" && read[2].address == nil)
            #expect(read[1].slice(from: 2)?.bytes == [3, 4] && read[1].slice(from: 5) == nil)
            #expect(read[1].slice(from: 1, count: 2)?.bytes == [2, 3] && read[1].slice(from: 1, count: 4) == nil)
        }
    }
}
