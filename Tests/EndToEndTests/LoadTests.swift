import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("Load", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct LoadTests {
    @Test("200 creates at once of distinct names all succeed")
    func distinctNames() async throws {
        try await withDaemon { daemon in
            let bodies = (0..<200).map { "{\"name\":\"n\($0)\"}" }
            let responses = try await atOnce(bodies, to: daemon)
            #expect(responses.allSatisfy { $0.status == 201 })
            #expect(Set(try responses.map { try $0.json["inode"]?.int }).count == 200)
            #expect(daemon.home.names.count == 200)
            let list = try await daemon.send("GET", "/v1/namespaces?limit=1000").json
            #expect(list["total"] == 200)
        }
    }

    @Test("Of 50 creates at once of one name, one succeeds")
    func oneName() async throws {
        try await withDaemon { daemon in
            let responses = try await atOnce(Array(repeating: #"{"name":"same"}"#, count: 50), to: daemon)
            #expect(responses.count { $0.status == 201 } == 1)
            #expect(responses.count { $0.problem == "name-taken" } == 49)
            #expect(daemon.home.names == ["same"])
        }
    }

    @Test("Creating and deleting one name for 10 s never fails and leaves nothing")
    func interleaved() async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            let end = ContinuousClock.now + .seconds(10)
            let statuses = try await withThrowingTaskGroup(of: Set<Int>.self) { group in
                for creates in [true, true, false, false] {
                    group.addTask {
                        try await offload {
                            let connection = try RawConnection(endpoint)
                            var statuses: Set<Int> = []
                            while ContinuousClock.now < end {
                                let response =
                                    creates
                                    ? try connection.exchange("POST", "/v1/namespaces", body: #"{"name":"same"}"#)
                                    : try connection.exchange("DELETE", "/v1/namespaces/same")
                                statuses.insert(response.status)
                            }
                            return statuses
                        }
                    }
                }
                return try await group.reduce(into: Set()) { $0.formUnion($1) }
            }
            #expect(statuses.isSuperset(of: [201, 204]))
            #expect(statuses.isSubset(of: [201, 204, 404, 409]), "\(statuses)")
            try await daemon.send("DELETE", "/v1/namespaces/same")
            #expect(daemon.home.names.isEmpty)
            #expect(daemon.home.records.isEmpty)
            #expect(try daemon.resources.mounts == 1)
        }
    }

    @Test("2,000 creates and deletes leave descriptors, threads and mounts as they were")
    func leaks() async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            try await cycle(100, on: endpoint)
            try await Task.sleep(for: .seconds(1))
            let before = try await daemon.filledResources()
            let held = try daemon.heldNamespaces().count
            try await cycle(2000, on: endpoint)
            let after = try await daemon.resources(settlingTo: before, spareThreads: 2)
            #expect(!after.exceeds(before, spareThreads: 2), "\(before), then \(after)")
            // As many as before, and no namespace that is deleted among them.
            try await daemon.waitForWarmNamespaces(held)
            // A sanitizer keeps a shadow of the memory. A release build is to stay under 30 MB; this one's code is larger.
            if !Sanitizer.isOn { #expect(try Resources.residentMemory(pid: daemon.pid) < 40 << 20) }
            #expect(daemon.home.names.isEmpty)
            #expect(daemon.home.records.isEmpty)
        }
    }

    private final class Flag: Sendable {
        let isUp = Atomic<Bool>(false)
    }

    @Test("Creates succeed while another tool takes away files that are not mounted on yet")
    func interference() async throws {
        try await withDaemon { daemon in
            let (endpoint, directory) = (try daemon.endpoint(), daemon.home.netnsDirectory)
            let end = Flag()
            defer { end.isUp.store(true, ordering: .relaxed) }
            let taker = Task {
                try await offload {
                    var taken = 0
                    while !end.isUp.load(ordering: .relaxed) {
                        // A mounted one is EBUSY.
                        if unlink(directory + "/a") == 0 { taken += 1 }
                        usleep(1000)
                    }
                    return taken
                }
            }
            let refusals = try await offload {
                let connection = try RawConnection(endpoint)
                var refusals: [String] = []
                for _ in 0..<1500 {
                    let created = try connection.exchange("POST", "/v1/namespaces", body: #"{"name":"a"}"#)
                    if created.status != 201 { refusals.append(created.text) }
                    _ = try connection.exchange("DELETE", "/v1/namespaces/a")
                }
                return refusals
            }
            end.isUp.store(true, ordering: .relaxed)
            // Where a file takes as long to make as the tool takes between two looks, it may win every time.
            #expect(refusals.allSatisfy { $0.contains("urn:netnsd:problem:namespace-busy") }, "\(refusals.prefix(3))")
            #expect(refusals.count < 1500)
            #expect(try await taker.value > 0)
        }
    }

    private func cycle(_ count: Int, on endpoint: Endpoint) async throws {
        try await offload {
            let connection = try RawConnection(endpoint)
            for index in 0..<count {
                let created = try connection.exchange("POST", "/v1/namespaces", body: "{\"name\":\"n\(index)\"}")
                let deleted = try connection.exchange("DELETE", "/v1/namespaces/n\(index)")
                guard created.status == 201, deleted.status == 204 else {
                    throw TestFailure("\(created.status), \(deleted.status): \(created.text)\(deleted.text)")
                }
            }
        }
    }

    private func atOnce(_ bodies: [String], to daemon: Daemon) async throws -> [HTTPResponse] {
        let endpoint = try daemon.endpoint()
        return try await offload {
            let connections = try bodies.map { _ in try RawConnection(endpoint) }
            for (connection, body) in zip(connections, bodies) {
                try connection.send("POST", "/v1/namespaces", body: body)
            }
            return try connections.map { try $0.response() }
        }
    }
}
