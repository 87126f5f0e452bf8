import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import LinuxKit
@testable import Netlink

@Suite("What the kernel refuses, and what is left behind", .tags(.kernel)) struct RefusalTests {
    @Test("a kind of link that the kernel lacks is told from other refusals") func lackingKind() async throws {
        try await withNamespace { space in
            let hasDummy =
                try await Command.run(
                    "nsenter", ["--net=\(space.path)", "ip", "link", "add", "probe", "type", "dummy"]
                ).status == 0
            let new = NewLink(try name("d0"), .dummy)
            do {
                try await space.perform { () throws(SystemError) in try .createLink(new) }
                #expect(hasDummy)
                #expect(try await space.ip("link show d0").first?["linkinfo.info_kind"] == "dummy")
            } catch let error as SystemError {
                #expect(!hasDummy && error.lacksKind && error.errno == .notSupported, "\(error)")
                #expect(error.explanation == "Unknown device type")
                #expect(error.description.hasSuffix(": Unknown device type"))
            }
        }
    }

    @Test("errno and words of refusals") func refusals() async throws {
        try await withNamespace { space in
            let link = try await space.addPair()
            let taken = NewLink(try name("a"), .bridge(Bridge()))
            let error = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .createLink(taken) }
            }
            #expect(error?.operation == .addLink && error?.errno == .fileExists && error?.lacksKind == false)
            let peer = try name("b")
            let renamed = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .changeLink(link, LinkChange(name: peer)) }
            }
            #expect(renamed?.operation == .changeLink && renamed?.errno == .fileExists)
            let large = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .changeLink(link, LinkChange(mtu: 1 << 20)) }
            }
            #expect(large?.errno == .invalidArgument && large?.explanation == "mtu greater than device maximum")
            let loop = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in
                    try .changeLink(link, LinkChange(master: .link(link)))
                }
            }
            #expect(loop?.explanation != nil || loop?.errno == .notSupported)
            let nothing = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .deleteLink(4711) }
            }
            #expect(nothing?.operation == .deleteLink && nothing?.errno == .noSuchDevice)
            let loopback = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .deleteLink(1) }
            }
            #expect(loopback?.errno == .notSupported)
            #expect(try await space.run { (socket) throws(SystemError) in try socket.link(4711) } == nil)
            let moved = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in try .moveLink(1, into: space.descriptor, name: peer)
                }
            }
            #expect(moved?.operation == .moveLink && moved?.errno == .fileExists)
            let other = try name("a")
            let device = await #expect(throws: SystemError.self) {
                try await space.inside { () throws(SystemError) in try TunDevice.create(other, Tun(mode: .tap)) }
            }
            #expect(device?.operation == .makeTun && device?.errno == .resourceBusy && device?.lacksKind == false)
            let absent = try name("nobody")
            #expect(try await space.run { (socket) throws(SystemError) in try socket.linkIndex(absent) } == nil)
        }
    }

    @Test("loopback and bridges stay where they are") func immovable() async throws {
        try await withNamespaces(2) { spaces in
            try await spaces[0].command("ip link add name br0 type bridge")
            for index in [1, try await spaces[0].index(of: "br0")] {
                let error = await #expect(throws: SystemError.self) {
                    try await spaces[0].perform { [other = spaces[1]] () throws(SystemError) in
                        try .moveLink(index, into: other.descriptor)
                    }
                }
                #expect(error?.operation == .moveLink && error?.errno == .invalidArgument, "\(index)")
            }
        }
    }

    @Test("a peer in what is no namespace is refused, and nothing is made") func noNamespace() async throws {
        try await withNamespace { space in
            let new = NewLink(try name("a"), .veth(peer: VethPeer()))
            let error = await #expect(throws: SystemError.self) {
                try await space.run { (socket) throws(SystemError) in
                    let nothing = try OwnedDescriptor.open("/dev/null", 0)
                    try socket.perform(.createLink(new, peerIn: nothing))
                }
            }
            #expect(error?.errno == .invalidArgument && error?.operation == .addLink)
            #expect(try await space.ip("link").count == 1)
        }
    }

    @Test("requests sent together have a result each, also beyond a batch, and go on after a refusal")
    func pipelined() async throws {
        try await withNamespace { space in
            let link = try await space.addPair()
            let addresses = try (0..<200).map { number in
                InterfaceAddress(link: number % 10 == 3 ? 4711 : link, address: try prefix("10.0.\(number).1/24"))
            }
            let results = try await space.run { (socket) throws(SystemError) in
                var requests: [Request] = []
                for address in addresses { requests.append(try .addAddress(address)) }
                return try socket.perform(requests)
            }
            #expect(results.count == 200)
            for (number, result) in results.enumerated() {
                switch result {
                case .success: #expect(number % 10 != 3)
                case .failure(let error): #expect(number % 10 == 3 && error.errno == .noSuchDevice, "\(error)")
                }
            }
            #expect(try await space.ip("-4 addr show a").first?["addr_info"]?.array?.count == 180)
        }
    }

    @Test("a message that outgrows its room is not sent") func tooLong() async throws {
        try await withNamespace { space in
            let link = try await space.addPair()
            let error = await #expect(throws: SystemError.self) {
                try await space.perform { () throws(SystemError) in
                    try .changeLink(link, LinkChange(isUp: false, alias: String(repeating: "x", count: 2000)))
                }
            }
            #expect(error?.errno == .messageTooLong && error?.operation == .changeLink)
            #expect(try await space.link("a")?.isUp == true)
        }
    }

    @Test("a dump of thousands is whole, and read on while it changes") func longDump() async throws {
        try await withNamespace { space in
            let batch = (0..<3000).map { "route add 10.\($0 / 250).\($0 % 250).0/24 dev lo" }.joined(separator: "\n")
            try await space.command("ip link set lo up")
            try await Command.check("nsenter", ["--net=\(space.path)", "ip", "-batch", "-"], input: batch)
            let routes = try await space.run { (socket) throws(SystemError) in
                try socket.routes(family: .v4, table: .main)
            }
            #expect(Set(routes.map(\.destination)).count == 3000)
        }
    }

    @Test("1,000 operations leave no descriptor open", .timeLimit(.minutes(2))) func descriptors() async throws {
        try await withNamespaces(2) { spaces in
            func count() throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
            }
            let new = NewLink(try name("a"), .veth(peer: VethPeer(name: try name("b"))), isUp: true)
            let tap = try name("t0")
            func once() async throws {
                try await spaces[0].run { [other = spaces[1]] (socket) throws(SystemError) in
                    try socket.perform(.createLink(new, peerIn: other.descriptor))
                    guard let link = try socket.linkIndex(new.name) else { return }
                    _ = try socket.links()
                    try? socket.perform(.createLink(new))
                    try socket.perform(.deleteLink(link))
                }
                try await spaces[1].inside { () throws(SystemError) in
                    try TunDevice.create(tap, Tun(mode: .tap))
                    _ = try LinkMonitor.open().read()
                    let socket = try NetlinkSocket.open()
                    if let link = try socket.linkIndex(tap) { try socket.perform(.deleteLink(link)) }
                }
            }
            try await once()
            let before = try count()
            // Five operations each, and six descriptors.
            for _ in 0..<200 { try await once() }
            // Other suites may open some meanwhile when they are run at once: a leak would be of hundreds.
            #expect(try count() < before + 100)
            #expect(try await spaces[1].ip("link").count == 1)
        }
    }
}
