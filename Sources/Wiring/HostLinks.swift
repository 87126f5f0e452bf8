import JSONText
package import LinuxKit
package import Logging
package import NamespaceCore
package import Netlink
import Synchronization
package import SystemPackage

/// Links of the daemon's own namespace that were moved into others. They are the host's, and go back there under their
/// old names when they are deleted or their namespace is: the kernel would rename some and destroy others.
package final class HostLinks: Sendable {
    /// One of them.
    private struct Borrowed: Sendable, Equatable {
        let namespace: NamespaceName
        /// What it is called in the host.
        let hostName: LinkName
        /// In the namespace; nil while it is being moved, and after a crash at that.
        var index: LinkIndex?
        /// What it was called in the namespace at first.
        let name: LinkName
        /// Its MAC address in the host, where it has one: what tells it from a link that had that name already.
        let mac: MACAddress?
        /// What kind of link it is, nil for hardware: another kind of link that has its index is not it.
        let kind: String?
        /// Whether the namespace had another link of its host's name.
        let isHostNameTaken: Bool
        /// Whether all that was asked for is done.
        var isFinished = false

        /// What it is in the namespace now; nil where it is not there.
        func find(by socket: NetlinkSocket) throws(SystemError) -> Link? {
            if let index { return try socket.link(index).flatMap { $0.kind == kind ? $0 : nil } }
            // Its namespace can have its host's name for it still, when the daemon died between the two.
            for name in isHostNameTaken ? [name] : [name, hostName] {
                if let link = try socket.link(name), link.address == mac, link.kind == kind { return link }
            }
            return nil
        }
    }

    private struct State {
        var borrowed: [NamespaceName: [Borrowed]] = [:]
        /// What they are called in the host, and what those are that are being moved.
        var hostNames: Set<LinkName> = []

        mutating func add(_ one: Borrowed) {
            borrowed[one.namespace, default: []].append(one)
            hostNames.insert(one.hostName)
        }

        mutating func remove(_ one: Borrowed) {
            borrowed[one.namespace]?.removeAll { $0.hostName == one.hostName }
            if borrowed[one.namespace]?.isEmpty ?? false { borrowed[one.namespace] = nil }
            hostNames.remove(one.hostName)
        }
    }

    private let state = Mutex(State())
    private let manager: NamespaceManager
    private let directory: FilePath
    private let bootID: String
    private let logger: Logger

    /// - Parameter stateDirectory: Where the records are, `borrowed/LINK.json` by the names in the host.
    package init(
        manager: NamespaceManager, stateDirectory: FilePath, bootID: String, logger: Logger
    ) throws(SystemError) {
        self.manager = manager
        self.bootID = bootID
        self.logger = logger
        directory = stateDirectory.appending("borrowed")
        try FileSystem.makeDirectory(directory, mode: 0o700)
    }

    /// Moves a link of the host into a namespace, with all that is said of it, or leaves it where it is.
    ///
    /// - Throws: `.linkNotFound`; `.linkTaken`, also where another link is away that was called so in the host;
    ///   `.hostForbidden`; and what the kernel has against it.
    package func borrow(
        _ hostName: LinkName, as order: LinkOrder, into name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> LinkView {
        try authority.checkHost()
        guard state.withLock({ $0.hostNames.insert(hostName).inserted }) else {
            throw NamespaceError(
                .linkTaken, "Another link was called \(hostName) in the host, and returns there under that name.")
        }
        let candidates = await manager.candidates(besides: name)
        do throws(NamespaceError) {
            return try await manager.visiting([name], to: .change, by: authority) {
                [self] (open, thread) throws(SystemError) in
                try borrow(hostName, as: order, into: name, open[0], candidates, on: &thread)
            }
        } catch {
            state.withLock { state in
                // It is there still where it could not be given back.
                guard !(state.borrowed[name] ?? []).contains(where: { $0.hostName == hostName }) else { return }
                state.hostNames.remove(hostName)
            }
            throw error
        }
    }

    private func borrow(
        _ hostName: LinkName, as order: LinkOrder, into name: NamespaceName, _ namespace: OpenNamespace,
        _ candidates: Candidates, on thread: inout KernelThread
    ) throws(SystemError) -> LinkView {
        let host = try thread.openHome()
        guard let link = try host.socket(on: &thread).link(hostName) else { throw .missing(hostName) }
        let socket = try namespace.socket(on: &thread)
        // Before anything says that a link of this name is the host's.
        guard try socket.linkIndex(order.name) == nil else { throw SystemError(.moveLink, errno: .fileExists) }
        var one = Borrowed(
            namespace: name, hostName: hostName, index: nil, name: order.name, mac: link.address, kind: link.kind,
            isHostNameTaken: try socket.linkIndex(hostName) != nil)
        try write(one)
        CrashPoint.hostLinkUnmoved.pass()
        do throws(SystemError) {
            try Self.move(link, from: host, to: namespace, as: order.name, on: &thread)
        } catch {
            try? remove(one)
            throw error
        }
        CrashPoint.hostLinkMoved.pass()
        do throws(SystemError) {
            let index = try socket.index(of: order.name)
            one.index = index
            try write(one)
            let master = try order.master.map(socket.index(of:))
            try socket.furnish(order, index, master: master)
            let view = try namespace.view(of: order.name, candidates, on: &thread)
            one.isFinished = true
            try write(one)
            state.withLock { [one] in $0.add(one) }
            return view
        } catch {
            state.withLock { [one] in $0.add(one) }
            try? giveBack(one, from: namespace, on: &thread)
            throw error
        }
    }

    /// Gives a link of a namespace back to the host; false says that it is not the host's.
    ///
    /// - Throws: `.linkNotFound`; `.linkTaken` where the host has another link of its name by now.
    package func giveBack(
        _ link: LinkName, from name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> Bool {
        guard isIn(name) else { return false }
        return try await manager.visiting([name], to: .change, by: authority) {
            [self] (open, thread) throws(SystemError) in
            let index = try open[0].socket(on: &thread).index(of: link)
            guard let one = all(in: name).first(where: { $0.index == index }) else { return false }
            try giveBack(one, from: open[0], on: &thread)
            return true
        }
    }

    private func giveBack(
        _ one: Borrowed, from namespace: OpenNamespace, on thread: inout KernelThread
    ) throws(SystemError) {
        if let found = try one.find(by: try namespace.socket(on: &thread)) {
            let host = try thread.openHome()
            do throws(SystemError) {
                try Self.move(found, from: namespace, to: host, as: one.hostName, on: &thread)
            } catch  where error.errno == .fileExists {
                throw Self.cannotReturn(one)
            }
        }
        try remove(one)
        state.withLock { $0.remove(one) }
    }

    private static func cannotReturn(_ one: Borrowed) -> SystemError {
        SystemError(
            .returnLink, errno: .fileExists,
            explanation: "The host has another link \(one.hostName) by now, as which this one would return")
    }

    /// Moves a link under a name, or leaves it where it is.
    private static func move(
        _ link: Link, from source: OpenNamespace, to target: OpenNamespace, as name: LinkName,
        on thread: inout KernelThread
    ) throws(SystemError) {
        let (here, there) = (try source.socket(on: &thread), try target.socket(on: &thread))
        guard try there.linkIndex(name) == nil else { throw SystemError(.moveLink, errno: .fileExists) }
        do throws(SystemError) {
            try here.perform(.moveLink(link.index, into: target.descriptor, name: name))
        } catch {
            // Somebody was faster with the name. Where the link's own is free, it is there under that: see ``Request``.
            if try here.link(link.index) == nil, let own = LinkName(link.name), let moved = try there.link(own),
                moved.address == link.address
            {
                try there.perform(.moveLink(moved.index, into: source.descriptor, name: own))
            }
            throw error
        }
    }

    private func all(in name: NamespaceName) -> [Borrowed] { state.withLock { $0.borrowed[name] ?? [] } }
}

// MARK: - When a namespace goes

extension HostLinks: NamespaceTenant {
    package func isIn(_ name: NamespaceName) -> Bool { state.withLock { $0.borrowed[name] != nil } }

    package func checkLeave(_ name: NamespaceName, of manager: NamespaceManager) async throws(NamespaceError) {
        try await manager.visitingHeld([name]) { [self] (open, thread) throws(SystemError) in
            let socket = try open[0].socket(on: &thread)
            let host = try thread.openHome().socket(on: &thread)
            for one in all(in: name) where try one.find(by: socket) != nil {
                guard try host.linkIndex(one.hostName) == nil else { throw Self.cannotReturn(one) }
            }
        }
    }

    package func leave(_ name: NamespaceName, of manager: NamespaceManager) async throws(NamespaceError) {
        try await manager.visitingHeld([name]) { [self] (open, thread) throws(SystemError) in
            for one in all(in: name) { try giveBack(one, from: open[0], on: &thread) }
        }
    }

    package func lose(_ name: NamespaceName) async {
        // The kernel has sent home what is hardware.
        let lost = all(in: name)
        do throws(NamespaceError) {
            try await manager.working { [self] () throws(SystemError) in
                for one in lost { try remove(one) }
            }
        } catch {
            logger.warning("a link's record could not be removed", metadata: ["error": "\(error)"])
        }
        // Only now may they be lent again, which writes a record of the same name.
        state.withLock { state in for one in lost { state.remove(one) } }
    }
}

// MARK: - Records

extension HostLinks {
    /// Reads the records, gives back what a crash left half moved, and has the manager ask and tell from now on. Call it
    /// when the manager's start admits tenants.
    package func start() async throws(NamespaceError) {
        for one in try await manager.working({ [self] () throws(SystemError) in try load() }) {
            do throws(NamespaceError) {
                try await manager.visiting([one.namespace], to: nil) { [self] (open, thread) throws(SystemError) in
                    try resume(one, in: open[0], on: &thread)
                }
            } catch  where error.code == .notFound || error.code == .stale {
                try await manager.working { [self] () throws(SystemError) in try remove(one) }
            }
        }
        await manager.admit(self)
    }

    private func resume(
        _ one: Borrowed, in namespace: OpenNamespace, on thread: inout KernelThread
    ) throws(SystemError) {
        var current = one
        current.index = try one.find(by: try namespace.socket(on: &thread))?.index
        guard current.index != nil else {
            // It was not moved yet, or is back already.
            return try remove(one)
        }
        state.withLock { [current] in $0.add(current) }
        guard !one.isFinished else { return }
        do throws(SystemError) {
            try giveBack(current, from: namespace, on: &thread)
        } catch {
            // It stays, and returns with the namespace's deletion.
            logger.warning("a link cannot be given back to the host", metadata: ["error": "\(error)"])
        }
    }

    private func path(_ one: Borrowed) -> FilePath {
        let segment = NamespaceName(bytes: Array(one.hostName.text.utf8))?.pathSegment ?? one.hostName.text
        return directory.appending("\(segment).json")
    }

    private func write(_ one: Borrowed) throws(SystemError) {
        let text = JSONWriter.text { writer in
            writer.object { writer in
                writer.member("namespace", one.namespace.pathSegment)
                writer.member("hostName", one.hostName.text)
                writer.member("name", one.name.text)
                if let mac = one.mac { writer.member("mac", mac.description) }
                if let kind = one.kind { writer.member("kind", kind) }
                writer.member("hostNameTaken", one.isHostNameTaken)
                if let index = one.index { writer.member("index", index) }
                writer.member("finished", one.isFinished)
                writer.member("boot", bootID)
            }
        }
        try FileSystem.replace(path(one), with: text)
    }

    private func remove(_ one: Borrowed) throws(SystemError) { try FileSystem.unlink(path(one), as: .removeRecord) }

    private func load() throws(SystemError) -> [Borrowed] {
        var found: [Borrowed] = []
        for file in try FileSystem.names(in: directory) {
            let path = directory.entry(file)
            guard let value = try? JSONValue(parsing: try FileSystem.read(path), depthLimit: 4),
                value["boot"]?.string == bootID,
                let namespace = value["namespace"]?.string.flatMap({ NamespaceName(pathSegment: $0) }),
                let hostName = value["hostName"]?.string.flatMap({ LinkName($0) }),
                let name = value["name"]?.string.flatMap({ LinkName($0) })
            else {
                // Of another boot, or never written to its end: such a link was not moved.
                try FileSystem.unlink(path)
                continue
            }
            found.append(
                Borrowed(
                    namespace: namespace, hostName: hostName, index: value["index"]?.int64.map { LinkIndex($0) },
                    name: name, mac: value["mac"]?.string.flatMap { MACAddress($0) }, kind: value["kind"]?.string,
                    isHostNameTaken: value["hostNameTaken"] == .bool(true),
                    isFinished: value["finished"] != .bool(false)))
        }
        return found
    }
}
