import LinuxKit
import NamespaceCore
import Netlink
import SystemPackage

extension NamespaceManager {
    /// How many namespaces are gone through in one job, so that others get their turn.
    private static let wiredAtOnce = 32

    /// What the kernel says of wires now, in their order, each of their namespaces entered once. No name is held for
    /// that: a wire that somebody is at work on may be found broken.
    func states(of wires: [Wire]) async throws(NamespaceError) -> [WireStatus.State] {
        let directory = FilePath(self.directory)
        var ends: [NamespaceName: [WireEnd]] = [:]
        for wire in wires {
            ends[wire.a.namespace, default: []].append(WireEnd(wire: wire.id, isB: false, end: wire.a))
            ends[wire.b.namespace, default: []].append(WireEnd(wire: wire.id, isB: true, end: wire.b))
        }
        var (a, b): ([WireID: Link], [WireID: Link]) = ([:], [:])
        for some in Array(ends).chunks(of: Self.wiredAtOnce) {
            let found = try await visitingHeld([]) { (_, thread) throws(SystemError) in
                var found: [(WireEnd, Link)] = []
                for (name, ends) in some {
                    // Gone, or no namespace: no link is there.
                    guard let namespace = try OpenNamespace.ifThere(directory.entry(name.bytes)) else { continue }
                    let socket = try namespace.socket(on: &thread)
                    for end in ends {
                        if let link = try WireLinks.veth(of: end.end, by: socket) { found.append((end, link)) }
                    }
                }
                return found
            }
            for (end, link) in found {
                if end.isB { b[end.wire] = link } else { a[end.wire] = link }
            }
        }
        return wires.map { WireLinks.state(of: $0, a[$0.id], b[$0.id]) }
    }
}

private struct WireEnd: Sendable {
    let wire: WireID
    let isB: Bool
    let end: Wire.End
}

extension OpenNamespace {
    /// Opens the namespace that is mounted at `path`; nil where there is none.
    fileprivate static func ifThere(_ path: FilePath) throws(SystemError) -> OpenNamespace? {
        do throws(SystemError) {
            return try open(path)
        } catch  where error.operation == .verifyNamespace || error.errno == .noSuchFileOrDirectory {
            return nil
        }
    }
}
