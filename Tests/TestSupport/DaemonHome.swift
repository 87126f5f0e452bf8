import Foundation
import Glibc

/// The directories of one daemon, which may be started in them again.
package struct DaemonHome: Sendable {
    package let root: String
    package let netnsDirectory: String
    private let isPrivate: Bool

    /// Makes fresh directories below /tmp. The daemon makes the mount directory itself.
    package init(netnsDirectory: String? = nil) throws {
        root = "/tmp/netnsd-test-\(UUID().uuidString.prefix(8))"
        self.netnsDirectory = netnsDirectory ?? root + "/netns"
        isPrivate = netnsDirectory == nil
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: false)
    }

    package var stateDirectory: String { root + "/state" }
    package var etcDirectory: String { root + "/etc" }
    package var socket: String { root + "/socket" }
    package var log: String { root + "/log" }
    /// Where networks are configured for it, and where attachments are kept.
    package var networks: String { root + "/net.d" }
    package var networkCache: String { root + "/cni" }
    package var arguments: [String] {
        [
            "--netns-dir", netnsDirectory, "--state-dir", stateDirectory, "--netns-etc-dir", etcDirectory,
            "--socket", socket, "--cni-conf-dir", networks, "--cni-cache-dir", networkCache,
        ]
    }

    /// The end of the log, for a report.
    package var logTail: String { String(((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").suffix(4000)) }

    /// Where the records are, a line each.
    package var recordFile: String { stateDirectory + "/namespaces.jsonl" }
    /// The names in the records; a line that is none is there as it is.
    package var records: [String] {
        let lines = ((try? String(contentsOfFile: recordFile, encoding: .utf8)) ?? "").split(separator: "\n")
        return lines.filter { $0.contains { $0 != " " } }.map { line in
            (try? JSONValue(parsing: Data(line.utf8)))?["name"]?.string ?? String(line)
        }.sorted()
    }
    /// The names in the mount directory.
    package var names: [String] { Self.names(netnsDirectory) }

    private static func names(_ directory: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
    }

    /// Changes the lines of the records, which have what they are filled up with, as an editor would.
    package func editRecords(_ change: (String) throws -> String) throws {
        let lines = try String(contentsOfFile: recordFile, encoding: .utf8).split(separator: "\n")
        try lines.map { try change(String($0)) + "\n" }.joined()
            .write(toFile: recordFile, atomically: false, encoding: .utf8)
    }

    /// The mounts of the directory itself.
    package func ownMounts() throws -> Int {
        try Resources.mountPoints(below: root).count { $0 == netnsDirectory }
    }

    /// Detaches every mount and removes the directories.
    package func remove() throws {
        if isPrivate {
            // What is mounted twice comes off twice, and what the directory's own mount hid is looked at again.
            repeat {
                for name in names {
                    while umount2("\(netnsDirectory)/\(name)", Int32(MNT_DETACH)) == 0 {}
                }
            } while umount2(netnsDirectory, Int32(MNT_DETACH)) == 0
        }
        try FileManager.default.removeItem(atPath: root)
    }
}

/// Runs `body` with fresh directories, and removes them however that ends.
package func withHome<Value: Sendable>(
    netnsDirectory: String? = nil, _ body: (DaemonHome) async throws -> Value
) async throws -> Value {
    let home = try DaemonHome(netnsDirectory: netnsDirectory)
    do {
        let value = try await body(home)
        try home.remove()
        return value
    } catch {
        try? home.remove()
        throw error
    }
}
