import Foundation
import TestSupport
import Testing

@Suite("Many wires", .tags(.endToEnd), .serialized, .timeLimit(.minutes(3)))
struct WireLoadTests {
    private static let namespaces = 100
    private static let wires = 500

    /// Each of the ends of wire `number`: every namespace gets ten.
    private static func body(_ number: Int) -> String {
        let (from, to) = (number % namespaces, (number * 7 + number / namespaces + 1) % namespaces)
        let net = "10.\(number / 250).\(number % 250)"
        return WireTests.body(
            "w\(number)", a: "n\(from)", b: "n\(to == from ? (to + 1) % namespaces : to)",
            ends: ("a\(number)", "b\(number)"),
            addresses: ("\"\(net).1/24\"", "\"\(net).2/24\""))
    }

    private func atOnce(_ daemon: Daemon, _ work: @escaping @Sendable (RawConnection, Int) throws -> Void) async throws
    {
        let endpoint = try daemon.endpoint()
        let clients = 4
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<clients {
                group.addTask {
                    try await offload {
                        let connection = try RawConnection(endpoint)
                        for number in stride(from: client, to: Self.wires, by: clients) { try work(connection, number) }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func build(_ daemon: Daemon) async throws {
        try await atOnce(daemon) { connection, number in
            let response = try connection.exchange("POST", "/v1/wires", body: Self.body(number))
            guard response.status == 201 else { throw TestFailure("\(number): \(response.text)") }
        }
    }

    private func tearDown(_ daemon: Daemon) async throws {
        try await atOnce(daemon) { connection, number in
            let response = try connection.exchange("DELETE", "/v1/wires/w\(number)")
            guard response.status == 204 else { throw TestFailure("\(number): \(response.text)") }
        }
    }

    /// How many links there are in all namespaces.
    private func links(_ daemon: Daemon) async throws -> Int {
        let script = "for n in \(daemon.home.netnsDirectory)/*; do nsenter --net=$n ip -o link show; done | wc -l"
        let text = try await Command.check("sh", ["-c", script]).text
        return Int(text.filter(\.isNumber)) ?? -1
    }

    @Test("500 wires among 100 namespaces are built and removed by four clients, and leave nothing")
    func many() async throws {
        try await withDaemon { daemon in
            let items = (0..<Self.namespaces).map { "{\"name\":\"n\($0)\"}" }.joined(separator: ",")
            try await daemon.expect(200, "POST", "/v1/namespaces:batch", "{\"items\":[\(items)]}")
            let links = try await links(daemon)
            // The first round shows what the daemon and the runtime keep for ever.
            try await build(daemon)
            #expect(daemon.home.wireRecords.count == Self.wires)
            #expect(try await self.links(daemon) == links + 2 * Self.wires)
            let page = try await daemon.expect(200, "GET", "/v1/wires?limit=1000")
            #expect(page["total"]?.int == Self.wires)
            #expect(page["wires"]?.array?.count { $0["state"] == "up" } == Self.wires)
            try await tearDown(daemon)
            let before = try await daemon.filledResources()
            let memory = try Resources.residentMemory(pid: daemon.pid)

            try await build(daemon)
            try await tearDown(daemon)
            let after = try await daemon.resources(settlingTo: before, spareThreads: 2)
            #expect(!after.exceeds(before, spareThreads: 2), "\(before), then \(after)")
            let growth = try Resources.residentMemory(pid: daemon.pid) - memory
            // A sanitizer keeps a shadow of the memory.
            if !Sanitizer.isOn { #expect(growth < 6 << 20, "\(growth) bytes more") }
            #expect(daemon.home.wireRecords.isEmpty)
            #expect(try await self.links(daemon) == links)
            #expect(try await daemon.expect(200, "GET", "/v1/wires")["total"] == 0)
        }
    }

    @Test("Namespaces that are deleted while wires are made between them leave no half wire")
    func interleaved() async throws {
        try await withDaemon { daemon in
            let endpoint = try daemon.endpoint()
            let end = ContinuousClock.now + .seconds(4)
            let statuses = try await withThrowingTaskGroup(of: Set<Int>.self) { group in
                for client in 0..<4 {
                    group.addTask {
                        try await offload {
                            let connection = try RawConnection(endpoint)
                            var statuses: Set<Int> = []
                            var round = 0
                            while ContinuousClock.now < end {
                                round += 1
                                let name = "n\((round + client) % 3)"
                                let requests: [(String, String, String)] =
                                    client == 0
                                    ? [
                                        ("PUT", "/v1/namespaces/\(name)", "{}"),
                                        ("DELETE", "/v1/namespaces/\(name)", ""),
                                    ]
                                    : [
                                        ("PUT", "/v1/namespaces/\(name)", "{}"),
                                        (
                                            "POST", "/v1/wires",
                                            WireTests.body(
                                                "w\(client)", a: "n0", b: "n1", ends: ("x\(client)", "y\(client)"))
                                        ),
                                        ("DELETE", "/v1/wires/w\(round % 4)", ""),
                                    ]
                                for (method, path, body) in requests {
                                    let response = try connection.exchange(method, path, body: body)
                                    if response.status >= 500 { throw TestFailure(response.text) }
                                    statuses.insert(response.status)
                                }
                            }
                            return statuses
                        }
                    }
                }
                return try await group.reduce(into: Set()) { $0.formUnion($1) }
            }
            #expect(statuses.isSuperset(of: [201, 204, 404]), "\(statuses)")
            let wires = try await daemon.expect(200, "GET", "/v1/wires")["wires"]?.array ?? []
            #expect(wires.allSatisfy { $0["state"] == "up" }, "\(wires)")
            #expect(daemon.home.wireRecords == wires.compactMap { $0["id"]?.string }.map { $0 + ".json" }.sorted())
            for name in daemon.home.names {
                let expected = wires.flatMap { wire in
                    ["a", "b"].compactMap { wire[$0]?["namespace"]?.string == name ? wire[$0]?["link"]?.string : nil }
                }
                #expect(try await daemon.home.ipLinks(name).sorted() == (expected + ["lo"]).sorted())
            }
        }
    }
}
