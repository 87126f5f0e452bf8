import Testing

@testable import LinuxKit

@Suite("Where a namespace is taken from") struct NamespaceSourceTests {
    @Test(
        "a path is one of procfs or a name in the directory, by its text alone",
        arguments: [
            ("/proc/1/ns/net", true), ("/proc/1/task/2/ns/net", true), ("/proc/1/fd/9", true), ("/d/n/a", true),
            ("/d/n/é", true), ("/d/n/a\u{301}", true), ("/d/n/\(String(repeating: "x", count: 255))", true),
            ("/d/n/\(String(repeating: "x", count: 256))", false), ("", false), ("/", false), ("a", false),
            ("/d/n", false), ("/d/n/", false), ("/d/n/.", false), ("/d/n/..", false), ("/d/n//a", false),
            ("/d/n/a/b", false), ("/d/n-evil/a", false), ("/d/n/../../x/éééééé", false), ("/d/m/é", false),
            ("/proc/self/ns/net", false), ("/proc/1/ns/mnt", false), ("/proc/1//ns/net", false),
            ("/proc/1/ns/net/", false), ("/proc/1/root/proc/2/ns/net", false), ("/proc/12345678901/fd/1", false),
            ("/proc/1/fd/", false), ("/d/n/a\0b", false), ("/var/run/netns/a", false),
        ])
    func paths(path: String, isTaken: Bool) {
        #expect((NamespaceSource(path: path, directory: "/d/n") != nil) == isTaken)
    }

    @Test("the usual directory has two spellings") func spellings() {
        for path in ["/run/netns/a", "/var/run/netns/a"] {
            #expect(NamespaceSource(path: path, directory: "/run/netns") != nil)
        }
    }
}
