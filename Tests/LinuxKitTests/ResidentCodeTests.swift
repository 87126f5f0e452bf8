import SystemPackage
import Testing

@testable import LinuxKit

@Suite("Code in memory") struct ResidentCodeTests {
    @Test("Only read-only mappings of files are let go of, and only where they are what is in the file")
    func unchanged() {
        let maps = """
            55d0c0000000-55d0c0010000 r--p 00000000 fe:00 7                          /usr/bin/netnsd
            Size:                 64 kB
            Anonymous:             0 kB
            VmFlags: rd mr mw me
            55d0c0010000-55d0c0020000 r-xp 00010000 fe:00 7                          /usr/bin/net nsd
            Anonymous:             0 kB
            55d0c0020000-55d0c0030000 r-xp 00020000 fe:00 7                          /usr/bin/probed
            Anonymous:             4 kB
            55d0c0030000-55d0c0040000 rw-p 00030000 fe:00 7                          /usr/bin/netnsd
            Anonymous:             0 kB
            55d0c0040000-55d0c0050000 r--p 00000000 00:00 0
            Anonymous:             0 kB
            7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0                          [vdso]
            Anonymous:             0 kB
            """
        #expect(
            ResidentCode.unchanged(in: maps) == [
                0x55d0_c000_0000..<0x55d0_c001_0000, 0x55d0_c001_0000..<0x55d0_c002_0000,
            ])
        for text in ["", "\n", "Anonymous: 0 kB", "1-2", "1-2 r--p 0 0 0 /a", "x-y r--p 0 0 0 /a\nAnonymous: 0 kB"] {
            #expect(ResidentCode.unchanged(in: text).isEmpty, "\(text)")
        }
    }

    @Test("What was let go of is there when it is wanted, and until then not in memory")
    func forgetting() throws {
        let before = try ProcessStatistics.read().residentBytes
        try ResidentCode.forgetStart()
        let after = try ProcessStatistics.read().residentBytes
        #expect(after < before)
        #expect(try !FileSystem.read("/proc/self/smaps").isEmpty)
    }
}
