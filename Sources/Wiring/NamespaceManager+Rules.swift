import LinuxKit
package import NamespaceCore
package import Netlink
import SystemPackage

extension NamespaceManager {
    /// The policy rules of a namespace, of both families.
    package func rules(in name: NamespaceName) async throws(NamespaceError) -> [Rule] {
        try await inside(name, to: nil) { (socket) throws(SystemError) in try socket.rules() }
    }

    /// Adds a policy rule.
    ///
    /// - Throws: `.entryTaken`, and what the kernel has against it.
    package func addRule(
        _ rule: Rule, in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) {
        try await inside(name, to: .change, by: authority) { (socket) throws(SystemError) in
            try socket.perform(.addRule(rule))
        }
    }

    /// Removes the first rule of a priority.
    ///
    /// - Throws: `.entryNotFound`.
    package func removeRule(
        priority: UInt32, family: IPAddress.Family, in name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) {
        try await inside(name, to: .change, by: authority) { (socket) throws(SystemError) in
            try socket.perform(.deleteRule(priority: priority, family: family))
        }
    }
}
