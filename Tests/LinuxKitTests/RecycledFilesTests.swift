import Foundation
import SystemPackage
import Testing

@testable import LinuxKit

@Suite("Recycled files") struct RecycledFilesTests {
    @Test("spares are made once those of an earlier process are gone, and as many are there as are counted")
    func clearing() throws {
        let directory = FilePath("/tmp/netnsd-spares-\(UUID().uuidString)")
        let files = try RecycledFiles(spareDirectory: directory)
        defer { try? FileManager.default.removeItem(atPath: directory.string) }
        for name in ["1", "700"] { try FileSystem.replace(directory.appending(name), with: Array("left".utf8)) }
        #expect(!files.restock(), "it is too early")
        #expect(try FileSystem.names(in: directory).count == 2)
        try files.clear()
        var rounds = 0
        while files.restock() { rounds += 1 }
        #expect(rounds == 128)
        #expect(try FileSystem.names(in: directory).count == 512)
    }
}
