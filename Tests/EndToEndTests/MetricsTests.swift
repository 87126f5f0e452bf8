import Foundation
import Glibc
import TestSupport
import Testing

@Suite("Metrics", .tags(.endToEnd), .timeLimit(.minutes(2)))
struct MetricsTests {
    private static let requests = "netnsd_http_requests_total"
    private static let failures = "netnsd_namespace_failures_total"
    private static let collection = "/v1/namespaces"

    @Test("Requests are counted by route, method and status, and what a client makes up is one of each")
    func requests() async throws {
        try await withDaemon { daemon in
            try await daemon.send("GET", "/healthz")
            try await daemon.send("GET", "/healthz")
            try await daemon.send("HEAD", "/healthz")
            try await daemon.send("PUT", Self.collection + "/a")
            try await daemon.send("PUT", Self.collection + "/a")
            try await daemon.send("POST", Self.collection + "/a")
            for number in 0..<5 { try await daemon.send("GET", Self.collection + "/none-\(number)") }
            for number in 0..<5 { try await daemon.send("GET", "/made-up-\(number)") }
            for number in 0..<5 { try await daemon.send("MADEUP\(number)", "/healthz") }
            try await daemon.send("GET", "/%zz")
            try await daemon.send("POST", Self.collection, body: "{}", type: "text/plain")
            let metrics = try await daemon.metrics
            let expected: [(route: String, method: String, status: String, count: Double)] = [
                ("/healthz", "GET", "200", 2), ("/healthz", "HEAD", "200", 1), ("/healthz", "other", "405", 5),
                ("/v1/namespaces/{name}", "PUT", "201", 1), ("/v1/namespaces/{name}", "PUT", "200", 1),
                ("/v1/namespaces/{name}", "POST", "405", 1), ("/v1/namespaces/{name}", "GET", "404", 5),
                ("unmatched", "GET", "404", 5), ("unmatched", "GET", "400", 1), ("/v1/namespaces", "POST", "415", 1),
            ]
            for (route, method, status, count) in expected {
                let labels = ["route": route, "method": method, "status": status]
                #expect(metrics.sum(Self.requests, labels) == count, "\(labels)")
                #expect(metrics.sum("netnsd_http_request_duration_seconds_count", labels) == count, "\(labels)")
            }
            let series = metrics.samples.filter { $0.name == Self.requests }
            #expect(series.count == expected.count, "\(series)")
            #expect(metrics.sum("netnsd_http_requests_in_flight") == 1)
            let next = try await daemon.metrics
            #expect(next.sum(Self.requests, ["route": "/metrics", "method": "GET", "status": "200"]) == 1)
        }
    }

    @Test("A body that is too long is counted for its route")
    func refusedBody() async throws {
        try await withDaemon { daemon in
            let body = "\"" + String(repeating: "x", count: 70_000) + "\""
            let refused = try await daemon.send("POST", Self.collection, body: body)
            #expect(refused.status == 413)
            let labels = ["route": "/v1/namespaces", "method": "POST", "status": "413"]
            #expect(try await daemon.metrics.sum(Self.requests, labels) == 1)
        }
    }

    @Test("Namespaces are counted by origin and state, and what happened to them by what it was")
    func namespaces() async throws {
        try await withDaemon { daemon in
            for name in ["a", "b"] { try await daemon.send("PUT", "\(Self.collection)/\(name)") }
            try await daemon.send("PUT", Self.collection + "/c", body: #"{"leaseSeconds":100}"#)
            try await daemon.send("PUT", Self.collection + "/d", body: #"{"leaseSeconds":1}"#)
            try await daemon.home.addExternal("e")
            try await daemon.home.addExternal("f")
            #expect(FileManager.default.createFile(atPath: daemon.home.netnsDirectory + "/stale", contents: nil))
            try await daemon.send("PATCH", Self.collection + "/f", body: "{}")
            try await daemon.send("DELETE", Self.collection + "/b")
            try await eventually(within: 5, "the end of the lease, and what others made") {
                let metrics = try await daemon.metrics
                return metrics.sum("netnsd_lease_expiries_total") == 1
                    && metrics.sum("netnsd_namespaces", ["state": "stale"]) == 1
            }
            let metrics = try await daemon.metrics
            #expect(metrics.sum("netnsd_namespaces", ["origin": "created", "state": "ready"]) == 2)
            #expect(metrics.sum("netnsd_namespaces", ["origin": "adopted", "state": "ready"]) == 1)
            #expect(metrics.sum("netnsd_namespaces", ["origin": "external", "state": "ready"]) == 1)
            #expect(metrics.sum("netnsd_namespaces", ["origin": "external", "state": "stale"]) == 1)
            #expect(metrics.sum("netnsd_namespaces") == 5)
            #expect(metrics.sum("netnsd_leases") == 1)
            #expect(metrics.sum("netnsd_namespaces_created_total") == 4)
            #expect(metrics.sum("netnsd_namespaces_adopted_total") == 1)
            #expect(metrics.sum("netnsd_namespaces_deleted_total") == 1)
            #expect(metrics.sum("netnsd_events_published_total", ["type": "expired"]) == 1)
            #expect(metrics.sum(Self.failures) == nil)
            let revision = try await daemon.send("GET", Self.collection).json["revision"]?.int
            #expect(metrics.sum("netnsd_revision") == revision.map(Double.init))
        }
    }

    @Test("A failure is counted by what was to be done and how the kernel answered")
    func failures() async throws {
        // A namespace made in advance would spare the create the step.
        try await withDaemon(arguments: ["--warm", "0"]) { daemon in
            let fault = FaultInjectionTests.Fault(
                call: "unshare", errno: "ENOSPC", status: 503, problem: "limit-reached")
            try await FaultInjectionTests().injecting(fault, into: daemon) {
                let failed = try await daemon.send("POST", Self.collection)
                #expect(failed.status == 503)
                let items = #"{"items":[{"name":"x"},{"name":"y"}]}"#
                #expect(try await daemon.send("POST", Self.collection + ":batch", body: items).status == 200)
                #expect(try await daemon.send("GET", "/readyz").status == 503)
            }
            let metrics = try await daemon.metrics
            #expect(metrics.sum(Self.failures, ["operation": "create", "errno": "ENOSPC"]) == 3)
            #expect(metrics.sum(Self.failures, ["operation": "probe", "errno": "ENOSPC"]) == 1)
            #expect(metrics.sum(Self.failures) == 4)
            #expect(metrics.sum("netnsd_namespaces_created_total") == 0)
            #expect(try await daemon.send("POST", Self.collection).status == 201)
            #expect(try await daemon.metrics.sum(Self.failures) == 4)
        }
    }

    @Test("Workers, event readers and the process are told of as they are")
    func resources() async throws {
        // Nothing made in advance, which would come and go between two looks.
        try await withDaemon(arguments: ["--workers", "3", "--warm", "0"]) { daemon in
            try await daemon.send("PUT", Self.collection + "/a")
            let endpoint = try daemon.endpoint()
            let before = try await daemon.metrics
            #expect(before.sum("netnsd_kernel_workers") == 3)
            #expect(before.sum("netnsd_kernel_jobs_queued") == 0)
            let jobs = try #require(before.sum("netnsd_kernel_job_run_seconds_count"))
            #expect(jobs > 0)
            #expect(before.sum("netnsd_kernel_job_wait_seconds_count") == jobs)
            #expect(before.sum("netnsd_event_readers") == 0)
            try await offload {
                let scraper = try RawConnection(endpoint)
                func readers() throws -> Double? {
                    try Exposition(parsing: try scraper.exchange("GET", "/metrics").text).sum("netnsd_event_readers")
                }
                do {
                    let reader = try EventReader(endpoint, validator: nil)
                    #expect(try readers() == 1)
                    _ = consume reader
                }
                let deadline = ContinuousClock.now + .seconds(5)
                while try readers() != 0 {
                    guard ContinuousClock.now < deadline else { throw TestFailure("the reader is still counted") }
                    // That a reader is gone shows when something is sent to it.
                    #expect(try scraper.exchange("POST", Self.collection).status == 201)
                    usleep(50_000)
                }
            }
            var (after, held) = (try await daemon.metrics, try daemon.resources)
            func surplus() throws -> Double {
                abs(try #require(after.sum("process_open_fds")) - Double(held.descriptors))
            }
            // A connection that its client has closed is closed here a moment later, between the two looks perhaps.
            let end = ContinuousClock.now + .seconds(5)
            while try surplus() > 1, ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(50))
                (after, held) = (try await daemon.metrics, try daemon.resources)
            }
            let threads = try #require(after.sum("process_threads"))
            #expect(abs(threads - Double(held.threads)) <= 2, "\(threads), \(held)")
            let memory = try #require(after.sum("process_resident_memory_bytes"))
            let resident = Double(try Resources.residentMemory(pid: daemon.pid))
            #expect(abs(memory - resident) < 4e6, "\(memory), \(resident)")
            #expect(try surplus() <= 1, "\(held)")
            let age = Date().timeIntervalSince1970 - (after.sum("process_start_time_seconds") ?? 0)
            #expect((0...60).contains(age), "\(age)")
            #expect((after.sum("process_cpu_seconds_total") ?? 0) > 0)
        }
    }

    @Test("It answers while every worker is stuck, and tells of the queue")
    func stuckWorkers() async throws {
        try await withDaemon(arguments: ["--workers", "1"]) { daemon in
            try await daemon.send("PUT", Self.collection + "/a")
            // The lock of the mount directory that iproute2 and Podman take too is what setting it up waits for.
            try await Command.check("umount", [daemon.home.netnsDirectory + "/a"])
            try await Command.check("umount", [daemon.home.netnsDirectory])
            let lock = open(daemon.home.netnsDirectory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            #expect(flock(lock, LOCK_EX) == 0)
            let endpoint = try daemon.endpoint()
            try await offload {
                let waiting = try (0..<3).map { _ in try RawConnection(endpoint) }
                for connection in waiting { try connection.send("POST", Self.collection) }
                let scraper = try RawConnection(endpoint)
                let deadline = ContinuousClock.now + .seconds(5)
                while true {
                    let metrics = try Exposition(parsing: try scraper.exchange("GET", "/metrics").text)
                    if metrics.sum("netnsd_kernel_jobs_running") == 1,
                        metrics.sum("netnsd_http_requests_in_flight") == 4
                    {
                        break
                    }
                    guard ContinuousClock.now < deadline else { throw TestFailure("\(metrics.samples)") }
                    usleep(10_000)
                }
                close(lock)
                for connection in waiting { #expect(try connection.response().status == 201) }
            }
        }
    }
}
