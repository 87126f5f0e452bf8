package import CNI
package import JSONText
import LinuxKit
package import Logging
import Synchronization

/// The attachments of namespaces to CNI networks. Truth is libcni's cache: what other tools attached is there as well.
///
/// Plugins run on threads of their own, while the namespace's name is held. Attachments go with their namespace: DEL runs
/// before a namespace is deleted, and after others took it away.
package final class Attachments: NamespaceTenant {
    /// What is to be attached.
    package struct Order: Sendable {
        package let network: String
        package let interface: String
        /// nil for one derived from the namespace's name.
        package let containerID: String?
        package let arguments: [(key: String, value: String)]
        package let capabilities: [String: JSONValue]
        /// The request with an idempotency key that asks for it, if it has one.
        package var request: RequestMark?

        package init(
            network: String, interface: String, containerID: String? = nil,
            arguments: [(key: String, value: String)] = [], capabilities: [String: JSONValue] = [:]
        ) {
            self.network = network
            self.interface = interface
            self.containerID = containerID
            self.arguments = arguments
            self.capabilities = capabilities
        }
    }

    /// The longest name of a network and id of a container; both and an interface's name make the name of a file.
    package static let (longestNetwork, longestContainerID) = (100, 120)
    /// The longest id, the name of a file: `NAME_MAX` bytes (limits.h).
    package static let longestID = 255
    /// How many chains of plugins run at once; others wait.
    private static let chains = 16

    // The manager has this object as a tenant, and both live as long as the daemon.
    private let manager: NamespaceManager
    private let networks: Networks?
    private let threads = JobThreads(limit: chains)
    private let index = Mutex(AttachmentIndex())
    /// The ids of what is being attached, for two namespaces can be given the same container's id.
    private let pending = Mutex<Set<String>>([])
    private let logger: Logger

    /// - Parameter networks: nil for no CNI: then there is no network, and no attachment.
    package init(manager: NamespaceManager, networks: Networks?, logger: Logger) {
        self.manager = manager
        self.networks = networks
        self.logger = logger
    }

    /// Attaches a namespace to a network.
    ///
    /// - Throws: `.notFound`, `.stale`, `.changeForbidden`, `.networkNotFound`, `.attachmentExists`, `.pluginFailed`,
    ///   `.pluginTimedOut`; nothing is left behind then, unless the plugins would not take it away.
    package func attach(
        _ name: NamespaceName, _ order: Order, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> Attachment {
        try await manager.holding(name, to: .change, by: authority) { (namespace) async throws(NamespaceError) in
            guard namespace?.status != nil else {
                throw namespace == nil ? NamespaceManager.notFound : NamespaceManager.stale
            }
            return try await self.attachHeld(name, order)
        }
    }

    private func attachHeld(_ name: NamespaceName, _ order: Order) async throws(NamespaceError) -> Attachment {
        guard let networks else {
            throw NamespaceError(.networkNotFound, "The daemon has no CNI networks.")
        }
        guard let path = path(of: name) else {
            throw NamespaceError(.notANamespace, "Plugins cannot be given a name that is not UTF-8.")
        }
        let key = AttachmentKey(
            network: order.network, containerID: order.containerID ?? Self.containerID(for: name),
            interface: order.interface)
        let request = order.request.map { "\($0.fingerprint) \($0.key)" }
        if let other = try await list(of: name).first(where: { $0.key.interface == key.interface }) {
            guard request != nil, other.request == request else {
                throw NamespaceError(
                    .attachmentExists, "The interface is that of the attachment \(other.key.id); delete it first.")
            }
            // Made already by a try whose answer was lost, unless that has not got to its end.
            if other.result != nil { return other }
            try await delete(other, of: name)
        }
        guard pending.withLock({ $0.insert(key.id).inserted }) else {
            throw NamespaceError(.busy, "An attachment \(key.id) is being made at this moment; try again later.")
        }
        defer { _ = pending.withLock { $0.remove(key.id) } }
        let runtime = RuntimeConfiguration(
            namespace: path, arguments: order.arguments, capabilities: order.capabilities)
        let attachment = try await work { () throws(CNIError) in
            let attachment = try networks.add(key, runtime, for: request)
            CrashPoint.attachmentUnanswered.pass()
            return attachment
        }
        manager.events.append(.attached, in: name, .attachment(Event.Attachment(key)))
        logger.info("namespace attached", metadata: ["name": "\(name)", "attachment": "\(key.id)"])
        return attachment
    }

    /// The attachments of a namespace, the latest at the end.
    ///
    /// - Throws: `.notFound`.
    package func attachments(of name: NamespaceName) async throws(NamespaceError) -> [Attachment] {
        _ = try await manager.existing(name)
        return try await list(of: name)
    }

    /// One attachment of a namespace.
    ///
    /// - Throws: `.notFound`, `.attachmentNotFound`.
    package func attachment(_ name: NamespaceName, _ id: String) async throws(NamespaceError) -> Attachment {
        _ = try await manager.existing(name)
        return try await find(name, id)
    }

    /// Has the plugins check that an attachment is as they made it.
    ///
    /// - Throws: `.notFound`, `.changeForbidden`, `.attachmentNotFound`; `.pluginFailed` and `.pluginTimedOut` when it is
    ///   not.
    package func check(
        _ name: NamespaceName, _ id: String, by authority: Authority = .unlimited
    ) async throws(NamespaceError) {
        try await manager.holding(name, to: .change, by: authority) { (namespace) async throws(NamespaceError) in
            guard namespace != nil else { throw NamespaceManager.notFound }
            let attachment = try await self.find(name, id)
            try await self.work { () throws(CNIError) in try self.networks?.check(attachment) }
        }
    }

    /// Takes an attachment away; one that is gone is no error. What is left of a namespace that is gone, who may do
    /// everything can take away.
    ///
    /// - Throws: `.notFound`, `.changeForbidden`, `.pluginFailed`, `.pluginTimedOut`.
    package func detach(
        _ name: NamespaceName, _ id: String, by authority: Authority = .unlimited
    ) async throws(NamespaceError) {
        try await manager.holding(name, to: .change, by: authority) { (namespace) async throws(NamespaceError) in
            guard let attachment = try await self.list(of: name).first(where: { $0.key.id == id }) else {
                if namespace == nil { throw NamespaceManager.notFound }
                return
            }
            try await self.delete(attachment, of: name)
        }
    }
}

// MARK: - As a tenant

extension Attachments {
    package func isIn(_ name: NamespaceName) -> Bool {
        guard let networks, let path = path(of: name) else { return false }
        return index.withLock { $0.mayHave(path, networks.cache.state) }
    }

    package func leave(_ name: NamespaceName, of manager: NamespaceManager) async throws(NamespaceError) {
        for attachment in try await list(of: name).reversed() { try await delete(attachment, of: name) }
    }

    package func lose(_ name: NamespaceName) async {
        // What is attached from now on is another namespace's. Nobody waits for plugins here.
        let now = SystemTime.wallMilliseconds * 1_000_000
        Task { await self.deleteLeftovers(of: name) { attachment, _ in attachment.modified <= now } }
    }

    /// Takes part in the life of namespaces from now on, and takes away, without anybody waiting for it, what crashes and
    /// reboots have left: attachments that had not got to their end, and those of namespaces that are gone.
    package func start() async {
        guard networks != nil else { return }
        await manager.admit(self)
        do throws(NamespaceError) {
            let names = Set(try await all().compactMap { self.name(at: $0.path) })
            for name in names {
                Task {
                    await self.deleteLeftovers(of: name) { attachment, namespace in
                        attachment.result == nil || namespace?.status == nil
                    }
                }
            }
        } catch {
            logger.error("the CNI attachments cannot be read", metadata: ["error": "\(error)"])
        }
    }

    /// Waits for the plugins that run; none is started any more.
    package func stop() async { await threads.stop() }

    private func deleteLeftovers(
        of name: NamespaceName, where isLeftOver: @escaping @Sendable (Attachment, Namespace?) -> Bool
    ) async {
        do throws(NamespaceError) {
            try await manager.holding(name, to: .change, by: .unlimited) { (namespace) async throws(NamespaceError) in
                for attachment in try await self.list(of: name).reversed() where isLeftOver(attachment, namespace) {
                    try await self.delete(attachment, of: name)
                }
            }
        } catch {
            logger.error(
                "what is left of CNI attachments cannot be taken away",
                metadata: ["name": "\(name)", "error": "\(error.message)"])
        }
    }
}

// MARK: - Steps

extension Attachments {
    private func delete(_ attachment: Attachment, of name: NamespaceName) async throws(NamespaceError) {
        try await work { () throws(CNIError) in try self.networks?.delete(attachment) }
        manager.events.append(.detached, in: name, .attachment(Event.Attachment(attachment.key)))
        logger.info("namespace detached", metadata: ["name": "\(name)", "attachment": "\(attachment.key.id)"])
    }

    private func find(_ name: NamespaceName, _ id: String) async throws(NamespaceError) -> Attachment {
        guard let attachment = try await list(of: name).first(where: { $0.key.id == id }) else {
            throw NamespaceError(.attachmentNotFound, "The namespace has no attachment of this id.")
        }
        return attachment
    }

    /// A host may have thousands: none of the manager's business, whom this is called from.
    @concurrent
    private func list(of name: NamespaceName) async throws(NamespaceError) -> [Attachment] {
        guard let path = path(of: name) else { return [] }
        return try await all().filter { $0.path == path }.map(\.attachment)
    }

    /// Every attachment of the host, with the path of its namespace.
    private func all() async throws(NamespaceError) -> [(attachment: Attachment, path: String)] {
        guard let networks else { return [] }
        let directory = manager.directory
        return try await work { () throws(CNIError) in
            do throws(SystemError) {
                // Before it is read: what comes meanwhile makes it another one.
                let (state, now) = (networks.cache.state, SystemTime.wallMilliseconds)
                let attachments = try networks.cache.all()
                var places = NamespacePlaces(directory: directory)
                let found = attachments.map { ($0, places.path(of: $0)) }
                self.index.withLock { $0.learn(found.map(\.1), state, at: now) }
                return found
            } catch {
                throw CNIError(.system(error), "The directory of CNI attachments cannot be read.")
            }
        }
    }

    /// Off the manager's actor, which is not to start a thread either.
    @concurrent
    private func work<Value: Sendable>(
        _ body: @escaping @Sendable () throws(CNIError) -> Value
    ) async throws(NamespaceError) -> Value {
        let result: Result<Value, CNIError>
        do throws(SystemError) {
            result = try await threads.run {
                do throws(CNIError) { return .success(try body()) } catch { return .failure(error) }
            }
        } catch {
            throw NamespaceError(error)
        }
        do throws(CNIError) {
            return try result.get()
        } catch {
            throw NamespaceError(error)
        }
    }

    /// nil for a name that is not UTF-8, which no plugin can be given.
    private func path(of name: NamespaceName) -> String? {
        String(validating: name.bytes, as: UTF8.self).map { "\(manager.directory)/\($0)" }
    }

    /// The name that has the path; nil where it is another directory's.
    private func name(at path: String) -> NamespaceName? {
        let prefix = manager.directory + "/"
        guard path.hasPrefix(prefix) else { return nil }
        return NamespaceName(bytes: Array(path.utf8.dropFirst(prefix.utf8.count)))
    }

    private static func containerID(for name: NamespaceName) -> String {
        let text = name.description
        guard Identifiers.isIdentifier(text), text.utf8.count <= longestContainerID else {
            return "netnsd-\(Fingerprint(of: [name.bytes]))"
        }
        return text
    }
}

extension Event.Attachment {
    fileprivate init(_ key: AttachmentKey) {
        self.init(id: key.id, network: key.network, interface: key.interface)
    }
}

extension NamespaceManager {
    /// Runs `body` with what has the name, nil for nothing, while no other operation on it runs.
    ///
    /// - Throws: what `authority` refuses, where only who may do everything sees what is not there; what `body` throws.
    fileprivate func holding<Value: Sendable>(
        _ name: NamespaceName, to action: Authority.Action, by authority: Authority,
        _ body: @escaping @Sendable (Namespace?) async throws(NamespaceError) -> Value
    ) async throws(NamespaceError) -> Value {
        try await holding(name) { () async throws(NamespaceError) in
            let namespace = try await self.look(at: name)
            if let namespace {
                try authority.check(action, on: namespace)
            } else if !authority.isUnlimited {
                throw Self.notFound
            }
            return try await body(namespace)
        }
    }
}
