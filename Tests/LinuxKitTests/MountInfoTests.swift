import SystemPackage
import Testing

@testable import LinuxKit

@Suite("Reading mountinfo") struct MountInfoTests {
    private static let host = """
        22 27 0:21 / /proc rw,relatime - proc proc rw
        27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
        42 27 254:0 /run/netns /run/netns rw,relatime shared:7 - ext4 /dev/vda rw
        43 42 0:4 net:[4026532185] /run/netns/t1 rw shared:8 - nsfs nsfs rw
        """

    @Test("every field that is used comes out of a line") func fields() throws {
        let mounts = MountInfo(parsing: Array(Self.host.utf8)).mounts
        try #require(mounts.count == 4)
        let mount = mounts[3]
        #expect(mount.id == 43)
        #expect(String(decoding: mount.root, as: UTF8.self) == "net:[4026532185]")
        #expect(String(decoding: mount.mountPoint, as: UTF8.self) == "/run/netns/t1")
        #expect(String(decoding: mount.fileSystemType, as: UTF8.self) == "nsfs")
        #expect(mount.peerGroup == 8)
        #expect(mounts[0].peerGroup == nil)
    }

    @Test("octal escapes and several optional fields are understood") func escapes() throws {
        let line = #"42 27 254:0 / /run/a\040b\134c rw shared:7 master:3 propagate_from:2 - ext4 /dev/vda rw"#
        let mount = try #require(MountInfo(parsing: Array(line.utf8)).mounts.first)
        #expect(String(decoding: mount.mountPoint, as: UTF8.self) == #"/run/a b\c"#)
        #expect(mount.masterPeerGroup == 3)
    }

    @Test("a line of another form is left out", arguments: ["", "1 2 3", "x 27 0:1 / / rw - a b c", "1 2 3 4 5 6 7 8"])
    func rubbish(line: String) {
        #expect(MountInfo(parsing: Array(line.utf8)).mounts.isEmpty)
    }

    @Test("a directory's mounts are matched by the whole path") func wholePath() {
        let mounts = MountInfo(parsing: Array(Self.host.utf8))
        #expect(mounts.mounts(of: "/run/netns").map(\.id) == [42])
        #expect(mounts.mounts(of: "/run/net").isEmpty)
    }

    @Test("the same mount namespace as process 1 is visible to the host") func sameNamespace() {
        let own = MountInfo(parsing: Array(Self.host.utf8))
        #expect(Propagation(of: "/run/netns", own: own, host: own) == Propagation(kind: .shared, isVisibleToHost: true))
        #expect(
            Propagation(of: "/run/other", own: own, host: own) == Propagation(kind: .unmounted, isVisibleToHost: true))
        #expect(Propagation(of: "/run/netns", own: own, host: nil).isVisibleToHost == nil)
    }

    @Test(
        "another mount namespace is visible to the host through a common peer group only",
        arguments: [("shared:7", true), ("shared:9", false), ("master:7", false), ("", false)])
    func otherNamespace(tag: String, visible: Bool) {
        let host = MountInfo(parsing: Array(Self.host.utf8))
        let own = MountInfo(
            parsing: Array("99 90 254:0 / /run/netns rw \(tag)\(tag.isEmpty ? "" : " ")- ext4 /dev/vda rw".utf8))
        #expect(Propagation(of: "/run/netns", own: own, host: host).isVisibleToHost == visible)
    }
}
