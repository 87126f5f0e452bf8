import Foundation

extension ChildProcess {
    /// Starts `command` in a network namespace of its own, which has no name, and waits until it is there.
    package static func inNewNamespace(_ command: [String], log: String) async throws -> ChildProcess {
        let process = try ChildProcess(["unshare", "--net"] + command, log: log)
        let own = try inode(of: "self")
        for _ in 0..<200 {
            let name = try? String(contentsOfFile: "/proc/\(process.pid)/comm", encoding: .utf8)
            // unshare(1), and a shell, become the last program of the command.
            if let inode = try? inode(of: String(process.pid)), inode != own, name == "sleep\n" { return process }
            try await Task.sleep(for: .milliseconds(20))
        }
        process.kill(9)
        throw TestFailure("\(command) is in no namespace of its own")
    }

    /// The id of a process that has ended.
    package static func endedID(log: String) async throws -> Int32 {
        let process = try ChildProcess(["true"], log: log)
        _ = try await process.wait(seconds: 10)
        return process.pid
    }

    /// The inode of the network namespace that a process is in.
    package static func inode(of process: String) throws -> Int {
        let link = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/net")
        guard let inode = Int(link.filter(\.isNumber)) else { throw TestFailure("no inode in \(link)") }
        return inode
    }
}

extension DaemonHome {
    /// Makes a namespace with this name beside the daemon, as other tools do.
    package func addExternal(_ name: String) async throws {
        let path = netnsDirectory + "/" + name
        try await Command.check("sh", ["-c", "touch \(path) && unshare --net=\(path) true"])
    }

    /// Removes a name beside the daemon.
    package func removeExternal(_ name: String) async throws {
        let path = netnsDirectory + "/" + name
        try await Command.check("sh", ["-c", "umount \(path) && rm \(path)"])
    }
}

/// Waits until `condition` holds; throws after `seconds`.
package func eventually(
    within seconds: Double, _ what: String, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw TestFailure("not within \(seconds) s: \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
