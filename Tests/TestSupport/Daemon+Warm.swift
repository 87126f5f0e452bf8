import Foundation

extension Daemon {
    /// The network namespaces, as procfs calls them, that the daemon holds a descriptor of, its own left out.
    package func heldNamespaces() throws -> Set<String> {
        let manager = FileManager.default
        let own = try manager.destinationOfSymbolicLink(atPath: "/proc/\(pid)/ns/net")
        let descriptors = try manager.contentsOfDirectory(atPath: "/proc/\(pid)/fd")
        // One may be closed meanwhile.
        let links = descriptors.compactMap { try? manager.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\($0)") }
        return Set(links.filter { $0.hasPrefix("net:") && $0 != own })
    }

    /// Waits until the daemon holds as many namespaces as that.
    package func waitForWarmNamespaces(_ count: Int) async throws {
        for _ in 0..<500 {
            if try heldNamespaces().count == count { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw TestFailure("\(try heldNamespaces().count) namespaces are held, not \(count)")
    }

    /// What the daemon holds once it has as many namespaces made in advance as it is to have.
    package func filledResources() async throws -> Resources {
        for _ in 0..<500 {
            let metrics = try await metrics
            if metrics.sum("netnsd_warm_namespaces") == metrics.sum("netnsd_warm_capacity") { return try resources }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw TestFailure("the daemon makes no more namespaces in advance: \(try heldNamespaces())")
    }

    /// How long its threads have run, those that have ended left out.
    package var processorTime: Duration {
        get throws {
            let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")
            return tasks.reduce(.zero) { sum, task in
                let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/schedstat", encoding: .utf8)
                let nanoseconds = text?.split(separator: " ").first.flatMap { Int64($0) } ?? 0
                return sum + .nanoseconds(nanoseconds)
            }
        }
    }
}
