import HTTPTypes
import LinuxKit
import Logging
import NamespaceCore
import SystemPackage
import TestSupport
import Testing
import Wiring

@testable import API

@Suite("The table of routes")
struct RouteTableTests {
    @Test("Each operation is in the table of who may use it, with the same right")
    func rows() async throws {
        try await withHome { home in
            let workers = try KernelWorkers(count: 1)
            let state = FilePath(home.stateDirectory)
            let kernel = try LinuxKernel(
                directory: MountDirectory(creating: FilePath(home.netnsDirectory)), workers: workers)
            let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            let manager = NamespaceManager(
                kernel: kernel, store: try RecordStore(directory: state), journal: try BatchJournal(directory: state),
                answers: try AnswerStore(directory: state, kernel: kernel, bootID: "boot"),
                dns: DNSFiles(directory: FilePath(home.etcDirectory), namespaces: kernel.directory), bootID: "boot",
                logger: logger)
            let wires = try WireManager(manager: manager, stateDirectory: state, bootID: "boot", logger: logger)
            let hostLinks = try HostLinks(manager: manager, stateDirectory: state, bootID: "boot", logger: logger)
            let handler = APIHandler(
                manager: manager, wires: wires, watch: LinkWatch(manager: manager, logger: logger),
                hostLinks: hostLinks, workers: 1,
                access: AccessPolicy(), pool: workers, logger: logger)
            let routed = handler.routes.flatMap { route in
                route.endpoints.map { "\($0.method.rawValue) \(route.pattern): \($0.right.rawValue)" }
            }
            await workers.stop()
            // The order in which the routes are looked through does not matter.
            for route in handler.routes {
                let path = route.pattern.split(separator: "/").map { Array(($0.hasPrefix("{") ? "x" : $0).utf8) }
                #expect(handler.routes.filter { $0.match(path) != nil }.map(\.pattern) == [route.pattern])
            }
            #expect(Set(routed) == Set(AccessRow.all.map { "\($0.operation): \($0.right)" }))
            for row in AccessRow.all {
                let right = try #require(Right(rawValue: row.right))
                #expect(right == .open ? row.role == nil : right.role.rawValue == row.role, "\(row)")
            }
        }
    }
}
