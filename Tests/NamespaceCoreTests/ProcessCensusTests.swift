import Foundation
import LinuxKit
import Testing

@testable import NamespaceCore

@Suite("Who is inside", .timeLimit(.minutes(1)))
struct ProcessCensusTests {
    @Test("all who ask at once are told, each of its own namespace, by few looks")
    func together() async throws {
        let workers = try KernelWorkers(count: 2)
        let census = ProcessCensus(workers: workers)
        let inside = Process()
        inside.executableURL = URL(filePath: "/usr/bin/unshare")
        inside.arguments = ["--net", "sleep", "20"]
        try inside.run()
        defer { inside.terminate() }
        let pid = inside.processIdentifier
        let own = try inode(getpid())
        let end = ContinuousClock.now + .seconds(10)
        while try inode(pid) == own, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(20)) }
        let its = try inode(pid)
        try #require(its != own)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                let asked = number.isMultiple(of: 2) ? its : UInt64(number)
                group.addTask {
                    let found = try await census.processes(inNetworkNamespace: asked)
                    #expect(found == (asked == its ? [pid] : []))
                }
            }
            try await group.waitForAll()
        }
        #expect(workers.jobsBegun < 40)
        #expect(try await !census.processes(inNetworkNamespace: own).contains(pid))
        await workers.stop()
        await #expect(throws: SystemError.self) { try await census.processes(inNetworkNamespace: its) }
    }

    private func inode(_ process: Int32) throws -> UInt64 {
        let link = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/net")
        return try #require(UInt64(link.filter(\.isNumber)))
    }
}
