import LinuxKit
import Logging
import SystemPackage

extension NamespaceManager {
    /// What the namespace's files say, whoever wrote them.
    ///
    /// - Throws: `.notFound`, `.stale`, `.dnsNotFound`, `.storageFailure`.
    package func dns(of name: NamespaceName) async throws(NamespaceError) -> DNSConfiguration {
        try await holding(name) { () async throws(NamespaceError) in
            guard try await self.existing(name).status != nil else { throw Self.stale }
            let files = self.dnsFiles
            let found = try await self.onDNSFiles { () throws(SystemError) in try files.read(name) }
            guard let found else { throw Self.noDNS }
            return found
        }
    }

    /// Writes the namespace's files, and answers what they say then, and whether there were none before.
    ///
    /// - Throws: `.notFound`, `.stale`, `.changeForbidden`, `.storageFailure`.
    package func setDNS(
        of name: NamespaceName, to configuration: DNSConfiguration, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> (configuration: DNSConfiguration, isNew: Bool) {
        try await holding(name) { () async throws(NamespaceError) in
            let namespace = try await self.existing(name)
            try authority.check(.change, on: namespace)
            guard let status = namespace.status else { throw Self.stale }
            // Before the first file is there: whatever happens then, it goes with the namespace.
            self.dnsOwners[name] = .init(status)
            let files = self.dnsFiles
            return try await self.onDNSFiles { () throws(SystemError) in
                let before = try files.read(name)
                try files.write(configuration, for: name)
                return (try files.read(name) ?? configuration, before == nil)
            }
        }
    }

    /// Removes the namespace's files, whoever wrote them.
    ///
    /// - Throws: `.notFound`, `.stale`, `.changeForbidden`, `.dnsNotFound`, `.storageFailure`.
    package func removeDNS(
        of name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) {
        try await holding(name) { () async throws(NamespaceError) in
            let namespace = try await self.existing(name)
            try authority.check(.change, on: namespace)
            guard namespace.status != nil else { throw Self.stale }
            let files = self.dnsFiles
            guard try await self.onDNSFiles({ () throws(SystemError) in try files.remove(name) }) else {
                throw Self.noDNS
            }
            self.dnsOwners[name] = nil
        }
    }

    private static let noDNS = NamespaceError(
        .dnsNotFound, "The namespace has no resolv.conf and no hosts of its own; programs inside have the host's.")

    private func onDNSFiles<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SystemError) -> Value
    ) async throws(NamespaceError) -> Value {
        do throws(SystemError) {
            return try await kernel.blocking(body)
        } catch  where error.operation == .submitJob {
            throw NamespaceError(error)
        } catch {
            throw NamespaceError(
                .storageFailure, "The namespace's resolv.conf and hosts cannot be read or written.", cause: error)
        }
    }
}

// MARK: - Going with the namespace

extension NamespaceManager {
    /// Finds out which names have files of ours; removes those of namespaces that are gone.
    ///
    /// - Parameter isShared: Whether what is not seen in the mount directory is gone.
    func surveyDNS(isShared: Bool) async {
        let files = dnsFiles
        do throws(NamespaceError) {
            for name in try await asWorker({ () throws(SystemError) in try files.survey() }) {
                if let known = index[name], known != .stale {
                    dnsOwners[name] = known
                } else if isShared {
                    await dropDNS(of: name)
                }
            }
        } catch {
            logger.error("what is in the directory of resolv.conf files is unknown", metadata: ["error": "\(error)"])
        }
    }

    /// Removes our files of a namespace that is gone. Call it while holding the name.
    func dropDNS(of name: NamespaceName) async {
        dnsOwners[name] = nil
        let (files, logger) = (dnsFiles, logger)
        do throws(NamespaceError) {
            try await asWorker { () throws(SystemError) in files.drop(name, logger: logger) }
        } catch {
            logger.warning("a start will remove a resolv.conf", metadata: ["error": "\(error)"])
        }
    }
}

extension DNSFiles {
    /// Removes our files of a namespace that is gone, which the next start does where this fails.
    func drop(_ name: NamespaceName, logger: Logger) {
        do throws(SystemError) {
            try removeOurs(name)
        } catch {
            logger.warning("a resolv.conf could not be removed", metadata: ["name": "\(name)", "error": "\(error)"])
        }
    }
}
