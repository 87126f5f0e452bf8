package import LinuxKit

/// A setting of a namespace.
package struct Sysctl: Sendable, Equatable {
    package let key: SysctlKey
    /// As the kernel has it.
    package let value: String
}

extension NamespaceManager {
    /// The namespace's settings among the allowed ones, in the order of their keys.
    ///
    /// - Parameter prefix: What their keys begin with.
    /// - Throws: `.notFound`, `.stale`.
    package func sysctls(
        of name: NamespaceName, allowed: SysctlAllowList, prefix: String = ""
    ) async throws(NamespaceError) -> [Sysctl] {
        try await visiting([name], to: nil) { (open, thread) throws(SystemError) in
            try thread.inside(open[0]) { () throws(SystemError) in
                try Sysctls.all(prefix: prefix, where: allowed.allows).map { Sysctl(key: $0.key, value: $0.value) }
            }
        }
    }

    /// One of the namespace's settings.
    ///
    /// - Throws: `.notFound`, `.stale`, `.sysctlNotFound`; `.sysctlNotAllowed` for one that cannot be read.
    package func sysctl(_ key: SysctlKey, of name: NamespaceName) async throws(NamespaceError) -> Sysctl {
        try await visiting([name], to: nil) { (open, thread) throws(SystemError) in
            try thread.inside(open[0]) { () throws(SystemError) in
                Sysctl(key: key, value: try Sysctls.value(of: key))
            }
        }
    }

    /// Changes one of the namespace's settings, and answers what it is then.
    ///
    /// - Throws: `.notFound`, `.stale`, `.changeForbidden`, `.sysctlNotFound`; `.sysctlNotAllowed` for one that cannot be
    ///   both read and set, and in the namespace whose settings are the host's; `.sysctlRefused` for the value.
    package func setSysctl(
        _ key: SysctlKey, of name: NamespaceName, to value: String, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> Sysctl {
        try await visiting([name], to: .change, by: authority) { (open, thread) throws(SystemError) in
            try thread.inside(open[0]) { () throws(SystemError) in
                Sysctl(key: key, value: try Sysctls.set(key, to: value))
            }
        }
    }
}
