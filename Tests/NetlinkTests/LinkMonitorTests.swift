import LinuxKit
import SystemPackage
import TestSupport
import Testing

@testable import Netlink

/// A monitor that a test's thread alone uses.
///
/// `@unchecked Sendable`: each test waits for one use of it to end before it makes the next.
private final class Heard: @unchecked Sendable {
    private let monitor: LinkMonitor
    private(set) var events: [LinkMonitor.Event] = []
    private(set) var lostSome = false

    init(_ reach: LinkMonitor.Reach) throws(SystemError) {
        monitor = try LinkMonitor.open(reach)
    }

    func read() throws(SystemError) {
        let reading = try monitor.read()
        events += reading.events
        lostSome = lostSome || reading.lostSome
    }

    /// Reads until there is such an event, for ten seconds at most.
    func waits(for isWanted: (LinkMonitor.Event) -> Bool) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(10)
        while !events.contains(where: isWanted), ContinuousClock.now < deadline {
            try read()
            try await Task.sleep(for: .milliseconds(5))
        }
        return events.contains(where: isWanted)
    }
}

@Suite("Changes", .tags(.kernel)) struct LinkMonitorTests {
    @Test("links, addresses and routes that others change are heard of, typed, in order") func changes() async throws {
        try await withNamespace { space in
            let heard = try await space.inside { () throws(SystemError) in try Heard(.currentNamespace) }
            try heard.read()
            #expect(heard.events.isEmpty)
            try await space.addPair()
            try await space.command("ip addr add 10.0.0.1/24 dev a")
            try await space.command("ip route add 10.9.0.0/16 via 10.0.0.2")
            try await space.command("ip route del 10.9.0.0/16")
            try await space.command("ip addr del 10.0.0.1/24 dev a")
            try await space.command("ip link del dev a")
            let isGone = try await heard.waits { event in
                if case .linkDeleted(let link) = event.change { link.name == "a" } else { false }
            }
            #expect(isGone && !heard.lostSome)
            #expect(heard.events.allSatisfy { $0.namespaceID == nil })
            let words = heard.events.compactMap { event -> String? in
                switch event.change {
                case .link(let link): link.name == "a" ? "link" : nil
                case .linkDeleted(let link): link.name == "a" ? "no link" : nil
                case .address(let address): address.address.description == "10.0.0.1/24" ? "address" : nil
                case .addressDeleted(let address): address.address.description == "10.0.0.1/24" ? "no address" : nil
                case .route(let route): route.destination.description == "10.9.0.0/16" ? "route" : nil
                case .routeDeleted(let route): route.destination.description == "10.9.0.0/16" ? "no route" : nil
                case .namespaceGone: nil
                }
            }
            let changes = words.enumerated().filter { $0 == 0 || words[$0 - 1] != $1 }.map(\.element)
            #expect(changes.filter { $0 != "link" } == ["address", "route", "no route", "no address", "no link"])
            #expect(changes.first == "link")
        }
    }

    @Test("one monitor hears of every namespace with an id, and keeps none of them alive") func everywhere()
        async throws
    {
        try await withNamespaces(1) { spaces in
            let host = spaces[0]
            let heard = try await host.inside { () throws(SystemError) in try Heard(.everyNamespaceWithID) }
            try await withNamespaces(2) { others in
                for other in others {
                    try await host.perform { () throws(SystemError) in
                        try .assignNamespaceID(to: other.descriptor)
                    }
                }
                // A pair ends with the namespace that either end is in: that of the second tells of the first's end.
                let new = NewLink(try name("a"), .veth(peer: VethPeer(name: try name("b"))))
                try await others[0].perform { () throws(SystemError) in
                    try .createLink(new, peerIn: others[1].descriptor)
                }
                try await others[0].command("ip addr add 10.0.0.1/24 dev a")
                let first = try await heard.waits { event in
                    if case .address = event.change { event.namespaceID == 0 } else { false }
                }
                let second = try await heard.waits { event in
                    if case .link(let link) = event.change { event.namespaceID == 1 && link.name == "b" } else { false }
                }
                #expect(first && second)
                let id = try await host.run { (socket) throws(SystemError) in
                    try socket.namespaceID(of: others[1].descriptor)
                }
                #expect(id == 1)
            }
            // The last reference to them is gone, and so are they: the kernel takes their ids away first.
            for id in [0, 1] as [NamespaceID] {
                let isGone = try await heard.waits { $0.namespaceID == nil && $0.change == .namespaceGone(id) }
                #expect(isGone)
            }
        }
    }

    @Test("more changes than the socket holds are told as lost, and it hears on") func overflow() async throws {
        try await withNamespace { space in
            let heard = try await space.inside { () throws(SystemError) in try Heard(.currentNamespace) }
            let index = try await space.addPair()
            try await space.run { (socket) throws(SystemError) in
                for number in 0..<4000 {
                    try socket.perform(.changeLink(index, LinkChange(mtu: UInt32(1400 + number % 2))))
                }
            }
            try heard.read()
            #expect(heard.lostSome)
            try heard.read()
            let mac = try mac("02:00:00:00:00:77")
            try await space.perform { () throws(SystemError) in try .changeLink(index, LinkChange(address: mac)) }
            #expect(
                try await heard.waits { event in
                    if case .link(let link) = event.change { link.address == mac } else { false }
                })
        }
    }
}
