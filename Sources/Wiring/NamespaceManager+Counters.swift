import LinuxKit
package import NamespaceCore
package import Netlink
import SystemPackage

/// What a link has counted.
package struct LinkCounters: Sendable {
    package let namespace: NamespaceName
    package let link: String
    package let statistics: LinkStatistics
}

extension NamespaceManager {
    /// How many namespaces are gone through in one job, so that others get their turn.
    private static let countersAtOnce = 32

    /// The counters of the links in all namespaces but for loopback, in the order of names, at most `limit` of them. What
    /// goes away meanwhile is left out.
    package func linkCounters(limit: Int) async -> [LinkCounters] {
        let directory = FilePath(self.directory)
        var rest = allNames[...]
        var found: [LinkCounters] = []
        while !rest.isEmpty, found.count < limit {
            let names = Array(rest.prefix(Self.countersAtOnce))
            rest = rest.dropFirst(names.count)
            let some = try? await visitingHeld([]) { (_, thread) throws(SystemError) in
                var found: [LinkCounters] = []
                for name in names {
                    guard let namespace = try? OpenNamespace.open(directory.entry(name.bytes)),
                        let links = try? namespace.socket(on: &thread).links()
                    else { continue }
                    found += links.compactMap { link in
                        guard !link.isLoopback, let statistics = link.statistics else { return nil }
                        return LinkCounters(namespace: name, link: link.name, statistics: statistics)
                    }
                }
                return found
            }
            found += some ?? []
        }
        return Array(found.prefix(limit))
    }
}
