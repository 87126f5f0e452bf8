import LinuxKit
import NamespaceCore
package import Netlink
import SystemPackage

/// What the kernel answered, with the names of the links that it knows by number only.
package struct Named<Value: Sendable>: Sendable {
    package let value: Value
    private let links: [LinkIndex: String]

    /// - Parameter links: The names that `value` may need; none where it names its links itself.
    package init(_ value: Value, links: [LinkIndex: String] = [:]) {
        self.value = value
        self.links = links
    }

    /// What the link was called at the same moment; nil for one that was not there.
    package func name(_ index: LinkIndex?) -> String? { index.flatMap { links[$0] } }
}

extension NamespaceManager {
    /// Runs `body` on a worker with a netlink socket in the namespace, while no other operation on the name runs.
    ///
    /// - Throws: `.notFound`, `.stale`, what `authority` refuses, and what the kernel does.
    func inside<Value: Sendable>(
        _ name: NamespaceName, to action: Authority.Action?, by authority: Authority = .unlimited,
        _ body: @escaping @Sendable (NetlinkSocket) throws(SystemError) -> Value
    ) async throws(NamespaceError) -> Value {
        try await visiting([name], to: action, by: authority) { (open, thread) throws(SystemError) in
            try body(try open[0].socket(on: &thread))
        }
    }
}

extension OpenNamespace {
    /// A netlink socket in the namespace.
    func socket(on thread: inout KernelThread) throws(SystemError) -> NetlinkSocket {
        try thread.inside(self) { () throws(SystemError) in try NetlinkSocket.open() }
    }
}

extension NetlinkSocket {
    /// The names of all links.
    func linkNames() throws(SystemError) -> [LinkIndex: String] {
        Dictionary(try links().map { ($0.index, $0.name) }) { first, _ in first }
    }

    /// A link that has to be there.
    ///
    /// - Throws: `.findLink` with `.noSuchDevice`.
    func index(of name: LinkName) throws(SystemError) -> LinkIndex {
        guard let index = try linkIndex(name) else { throw .missing(name) }
        return index
    }
}

extension SystemError {
    static func missing(_ name: LinkName) -> SystemError {
        SystemError(.findLink, errno: .noSuchDevice, explanation: "There is no link \(name)")
    }
}
