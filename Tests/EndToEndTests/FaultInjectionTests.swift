import Foundation
import TestSupport
import Testing

@Suite("Injected failures", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct FaultInjectionTests {
    /// System calls, as strace(1) takes them, that are made to fail, and what the daemon must say then.
    struct Fault: Sendable, CustomTestStringConvertible {
        let call: String
        let errno: String
        let status: Int
        let problem: String
        var path: String?
        var testDescription: String { "\(call) \(errno)" }
    }

    /// Both ways to mount.
    private static let mounting = "mount,move_mount"

    static let faults = [
        Fault(call: "unshare", errno: "ENOSPC", status: 503, problem: "limit-reached"),
        Fault(call: "unshare", errno: "EPERM", status: 503, problem: "missing-capability"),
        Fault(call: "unshare", errno: "ENOMEM", status: 503, problem: "out-of-memory"),
        Fault(call: "unshare", errno: "EUSERS", status: 500, problem: "kernel-failure"),
        Fault(call: "socket", errno: "EMFILE", status: 503, problem: "limit-reached"),
        Fault(call: mounting, errno: "EPERM", status: 503, problem: "missing-capability", path: "/netns/victim"),
        Fault(call: mounting, errno: "ENOSPC", status: 503, problem: "limit-reached", path: "/netns/victim"),
        Fault(call: "mknodat", errno: "EROFS", status: 503, problem: "storage-failure", path: "/netns/victim"),
        Fault(call: "mknodat", errno: "ENOSPC", status: 503, problem: "storage-failure", path: "/netns/victim"),
        Fault(call: "pwrite64", errno: "ENOSPC", status: 503, problem: "storage-failure"),
        Fault(call: "pwrite64", errno: "EROFS", status: 503, problem: "storage-failure"),
    ]

    @Test("A failure of one step is reported as what it is, and leaves nothing behind", arguments: faults)
    func failure(_ fault: Fault) async throws {
        // A namespace made in advance would spare the create the step.
        let isSpared = fault.call == "unshare" || fault.call == "socket"
        try await withDaemon(arguments: isSpared ? ["--warm", "0"] : []) { daemon in
            try await daemon.send("PUT", "/v1/namespaces/other")
            try await daemon.send("DELETE", "/v1/namespaces/other")
            try await Task.sleep(for: .milliseconds(200))
            let before = try await daemon.filledResources()
            let response = try await injecting(fault, into: daemon) {
                try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"victim"}"#)
            }
            #expect(response.status == fault.status, "\(response.text)")
            #expect(response.problem == fault.problem, "\(response.text)")
            #expect(daemon.home.names.isEmpty)
            #expect(daemon.home.records.isEmpty)
            let after = try await daemon.resources(settlingTo: before)
            #expect(!after.exceeds(before), "\(before), then \(after)")
            #expect(try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"victim"}"#).status == 201)
        }
    }

    @Test(
        "What the kernel lacks, or a filter refuses, is done in the way of old",
        arguments: [
            ("open_tree", "ENOSYS"), ("open_tree", "EPERM"), ("move_mount", "ENOSYS"), ("move_mount", "EPERM"),
        ])
    func oldWay(call: String, errno: String) async throws {
        try await withDaemon { daemon in
            let before = try await daemon.filledResources()
            let fault = Fault(call: call, errno: errno, status: 201, problem: "")
            let response = try await injecting(fault, into: daemon) {
                try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"victim"}"#)
            }
            let strace = try String(contentsOfFile: daemon.home.root + "/strace", encoding: .utf8)
            #expect(strace.contains("(INJECTED)"), "\(strace)")
            #expect(response.status == 201, "\(response.text)")
            let seen = try await daemon.send("GET", "/v1/namespaces/victim")
            #expect(try seen.json["state"] == "ready", "\(seen.text)")
            #expect(try await daemon.send("DELETE", "/v1/namespaces/victim").status == 204)
            let after = try await daemon.resources(settlingTo: before)
            #expect(!after.exceeds(before), "\(before), then \(after)")
        }
    }

    @Test("With no room for another namespace, those made in advance are given up, and leave nothing behind")
    func noRoom() async throws {
        try await withDaemon(arguments: ["--warm", "2"]) { daemon in
            try await daemon.waitForWarmNamespaces(2)
            let fault = Fault(call: "unshare", errno: "ENOSPC", status: 503, problem: "limit-reached")
            let responses = try await injecting(fault, into: daemon) {
                let first = try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"victim"}"#)
                try await daemon.waitForWarmNamespaces(0)
                return [first, try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"second"}"#)]
            }
            #expect(responses.map(\.status) == [201, 503])
            #expect(responses[1].problem == "limit-reached")
            #expect(daemon.home.names == ["victim"])
            #expect(daemon.home.records == ["victim"])
            #expect(try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"second"}"#).status == 201)
        }
    }

    @Test("A worker that cannot return to its namespace is replaced, and leaves nothing behind")
    func strandedWorker() async throws {
        try await withDaemon { daemon in
            let host = try await Command.check("stat", ["-L", "-c", "%i", "/proc/self/ns/net"]).text
            let fault = Fault(call: "setns", errno: "ENOMEM", status: 500, problem: "kernel-failure")
            let response = try await injecting(fault, into: daemon) {
                try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"victim"}"#)
            }
            #expect([201, 500, 503].contains(response.status))
            #expect(daemon.home.names.isEmpty == (response.status != 201))
            #expect(daemon.home.records.isEmpty == (response.status != 201))
            try await daemon.send("DELETE", "/v1/namespaces/victim")
            #expect(try await daemon.send("POST", "/v1/namespaces", body: #"{"name":"next"}"#).status == 201)
            let inodes = try await Command.check(
                "sh", ["-c", "stat -L -c %i /proc/\(daemon.pid)/task/*/ns/net | sort -u"]
            ).text
            #expect(inodes == host)
        }
    }

    /// Runs `body` while the fault is injected into every thread of the daemon.
    func injecting<Value: Sendable>(
        _ fault: Fault, into daemon: Daemon, _ body: () async throws -> Value
    ) async throws -> Value {
        var arguments = ["strace", "-f", "-p", String(daemon.pid), "-e", "trace=\(fault.call)"]
        arguments += ["-e", "inject=\(fault.call):error=\(fault.errno)"]
        if let path = fault.path { arguments += ["-P", daemon.home.root + path] }
        let log = daemon.home.root + "/strace"
        let strace = try ChildProcess(arguments, log: log)
        let threads = try daemon.resources.threads
        do {
            for attempt in 0... {
                let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
                if text.contains("attached"), attempt > threads / 10 + 5 { break }
                if strace.status != nil || attempt > 200 { throw TestFailure("strace is not attached: \(text)") }
                try await Task.sleep(for: .milliseconds(50))
            }
            let value = try await body()
            strace.kill(2)
            _ = try await strace.wait(seconds: 10)
            return value
        } catch {
            strace.kill(2)
            _ = try? await strace.wait(seconds: 10)
            throw error
        }
    }
}
