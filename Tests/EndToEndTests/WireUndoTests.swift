import Foundation
import TestSupport
import Testing

@Suite("Wires that cannot be made", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct WireUndoTests {
    /// A wire that fails at some step.
    struct Failure: Sendable, CustomTestStringConvertible {
        let step: String
        /// What is done with ip(8) before, in the namespace.
        var before: (name: String, command: String)?
        var addresses = ("", "")
        var more = ""
        let problems: Set<String>
        var testDescription: String { step }
    }

    /// The kernel refuses it on any link.
    private static let multicast = #""ff02::7/64""#

    static let failures = [
        Failure(step: "the link's name is taken at a", before: ("a", "link add x type ifb"), problems: ["link-taken"]),
        Failure(step: "the link's name is taken at b", before: ("b", "link add y type ifb"), problems: ["link-taken"]),
        Failure(step: "the address is refused at a", addresses: (multicast, ""), problems: ["refused-by-kernel"]),
        Failure(step: "the address is refused at b", addresses: ("", multicast), problems: ["refused-by-kernel"]),
        Failure(
            step: "the second address is refused at b",
            addresses: (#""10.0.0.1/24","fd00::1/64""#, "\"10.0.0.2/24\",\(multicast)"), problems: ["refused-by-kernel"]
        ),
        Failure(
            step: "the impairment of b is refused", addresses: (#""10.0.0.1/24""#, #""10.0.0.2/24""#),
            more: #","impairment":{"aToB":{"rateBitsPerSecond":1000000},"bToA":{"delayMicroseconds":1000}}"#,
            problems: ["not-supported"]),
        Failure(
            step: "the impairment of a is refused", addresses: (#""10.0.0.1/24""#, ""),
            more: #","impairment":{"aToB":{"lossPercent":1}}"#, problems: ["not-supported"]),
    ]

    @Test("Whatever step fails, nothing is left", arguments: failures)
    func failed(_ failure: Failure) async throws {
        if failure.problems == ["not-supported"], try await kernelHasNetem() { return }
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b"])
            if let before = failure.before { try await daemon.home.ip(before.name, before.command) }
            let links = [try await daemon.home.ipLinks("a"), try await daemon.home.ipLinks("b")]
            let body = WireTests.body(addresses: failure.addresses, failure.more)
            _ = try await daemon.send("POST", "/v1/wires", body: body)
            let before = try await daemon.filledResources()
            for _ in 0..<20 {
                let response = try await daemon.send("POST", "/v1/wires", body: body)
                #expect(response.problem.map { failure.problems.contains($0) } == true, "\(response.text)")
            }
            try await expectNothing(daemon, links)
            let after = try await daemon.resources(settlingTo: before, spareThreads: 2)
            #expect(!after.exceeds(before, spareThreads: 2), "\(before), then \(after)")
            try await daemon.expect(201, "POST", "/v1/wires", WireTests.body(ends: ("x1", "y1")))
        }
    }

    private func expectNothing(_ daemon: Daemon, _ links: [[String]]) async throws {
        #expect([try await daemon.home.ipLinks("a"), try await daemon.home.ipLinks("b")] == links)
        #expect(daemon.home.wireRecords.isEmpty)
        #expect(try await daemon.expect(200, "GET", "/v1/wires")["total"] == 0)
        #expect(try await daemon.problem("GET", "/v1/wires/w") == "wire-not-found")
    }

    static let faults = [
        FaultInjectionTests.Fault(
            call: "openat", errno: "ENOSPC", status: 503, problem: "storage-failure", path: "/state/wires/w.making"),
        FaultInjectionTests.Fault(
            call: "write", errno: "ENOSPC", status: 503, problem: "storage-failure", path: "/state/wires/w.making"),
        FaultInjectionTests.Fault(
            call: "rename", errno: "ENOSPC", status: 503, problem: "storage-failure", path: "/state/wires/w.json.tmp~"),
        FaultInjectionTests.Fault(
            call: "rename", errno: "EROFS", status: 503, problem: "storage-failure", path: "/state/wires/w.json.tmp~"),
        FaultInjectionTests.Fault(call: "socket", errno: "EMFILE", status: 503, problem: "limit-reached"),
    ]

    @Test("A step that the system fails leaves nothing", arguments: faults)
    func injected(_ fault: FaultInjectionTests.Fault) async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b"])
            let body = WireTests.body(addresses: WireTests.addresses)
            try await daemon.expect(201, "POST", "/v1/wires", body)
            try await daemon.expect(204, "DELETE", "/v1/wires/w")
            try await Task.sleep(for: .milliseconds(200))
            let before = try await daemon.filledResources()
            let response = try await FaultInjectionTests().injecting(fault, into: daemon) {
                try await daemon.send("POST", "/v1/wires", body: body)
            }
            #expect(response.status == fault.status, "\(response.text)")
            #expect(response.problem == fault.problem, "\(response.text)")
            try await expectNothing(daemon, [["lo"], ["lo"]])
            let after = try await daemon.resources(settlingTo: before, spareThreads: 1)
            #expect(!after.exceeds(before, spareThreads: 1), "\(before), then \(after)")
            try await daemon.expect(201, "POST", "/v1/wires", body)
        }
    }

    @Test("A wire whose record cannot be removed is told of until it can")
    func deletionFailed() async throws {
        try await withDaemon { daemon in
            try await daemon.makeNamespaces(["a", "b"])
            try await daemon.expect(201, "POST", "/v1/wires", WireTests.body())
            let fault = FaultInjectionTests.Fault(
                call: "unlink", errno: "EROFS", status: 503, problem: "storage-failure", path: "/state/wires/w.json")
            let response = try await FaultInjectionTests().injecting(fault, into: daemon) {
                try await daemon.send("DELETE", "/v1/wires/w")
            }
            #expect(response.problem == fault.problem, "\(response.status) \(response.text)")
            #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["state"] == "broken")
            try await daemon.expect(204, "DELETE", "/v1/wires/w")
            #expect(daemon.home.wireRecords.isEmpty)
        }
    }

    @Test("A full disk refuses a wire and an impairment, and changes nothing")
    func fullDisk() async throws {
        try await withHome { home in
            // Few blocks, which the test fills.
            let state = home.stateDirectory
            try FileManager.default.createDirectory(atPath: state, withIntermediateDirectories: false)
            try await Command.check("mount", ["-t", "tmpfs", "-o", "size=256k", "netnsd-test", state])
            do {
                try await withDaemon(in: home) { daemon in
                    try await daemon.makeNamespaces(["a", "b"])
                    try await daemon.expect(201, "POST", "/v1/wires", WireTests.body())
                    _ = try await Command.run("dd", ["if=/dev/zero", "of=\(state)/filler", "bs=4k"])
                    let second = WireTests.body("second", ends: ("p", "q"))
                    let created = try await daemon.send("POST", "/v1/wires", body: second)
                    #expect(created.problem == "storage-failure", "\(created.status) \(created.text)")
                    let rate = #"{"impairment":{"aToB":{"rateBitsPerSecond":1000000}}}"#
                    let changed = try await daemon.send("PATCH", "/v1/wires/w", body: rate)
                    #expect(changed.problem == "storage-failure", "\(changed.status) \(changed.text)")
                    #expect(try await daemon.expect(200, "GET", "/v1/wires/w")["impairment"]?["aToB"] == .null)
                    #expect(try await home.queueDisciplines("a", "x").first?["kind"] == "noqueue")
                    #expect(try await home.ipLinks("a").sorted() == ["lo", "x"])
                    #expect(home.wireRecords == ["w.json"])
                    try FileManager.default.removeItem(atPath: state + "/filler")
                    try await daemon.expect(201, "POST", "/v1/wires", second)
                    try await daemon.expect(200, "PATCH", "/v1/wires/w", rate)
                }
            } catch {
                _ = try? await Command.run("umount", ["-l", state])
                throw error
            }
            try await Command.check("umount", ["-l", state])
        }
    }
}
