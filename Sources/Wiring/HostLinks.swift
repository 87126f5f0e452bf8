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

        /// Its index in the namespace now; nil where it is not there.
        func find(by socket: NetlinkSocket) throws(SystemError) -> LinkIndex? {
            guard let index else { return try socket.linkIndex(name) }
            return try socket.link(index)?.index
        }
    }

    private let borrowed = Mutex<[NamespaceName: [Borrowed]]>([:])
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
    /// - Throws: `.linkNotFound`, `.linkTaken`, `.hostForbidden`, and what the kernel has against it.
    package func borrow(
        _ hostName: LinkName, as order: LinkOrder, into name: NamespaceName, by authority: Authority = .unlimited
    ) async throws(NamespaceError) -> LinkView {
        try authority.checkHost()
        let candidates = await manager.candidates(besides: name)
        return try await manager.visiting([name], to: .change, by: authority) {
            [self] (open, thread) throws(SystemError) in
            let host = try NetlinkSocket.open()
            var one = Borrowed(namespace: name, hostName: hostName, index: nil, name: order.name)
            let index = try host.index(of: hostName)
            try write(one)
            do throws(SystemError) {
                try host.perform(.moveLink(index, into: open[0].descriptor, name: order.name))
            } catch {
                try? remove(one)
                throw error
            }
            do throws(SystemError) {
                let socket = try open[0].socket(on: &thread)
                one.index = try socket.index(of: order.name)
                try write(one)
                let master = try order.master.map(socket.index(of:))
                try socket.furnish(order, one.index ?? index, master: master)
                borrowed.withLock { $0[name, default: []].append(one) }
                return try open[0].view(of: order.name, candidates, on: &thread)
            } catch {
                try? giveBack(one, from: open[0], on: &thread)
                throw error
            }
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
        let socket = try namespace.socket(on: &thread)
        let found = try one.find(by: socket)
        if let found {
            let home = try thread.openHome()
            try socket.perform(.moveLink(found, into: home.descriptor, name: one.hostName))
        }
        try remove(one)
        borrowed.withLock { all in
            all[one.namespace]?.removeAll { $0.hostName == one.hostName }
            if all[one.namespace]?.isEmpty ?? false { all[one.namespace] = nil }
        }
    }

    private func all(in name: NamespaceName) -> [Borrowed] { borrowed.withLock { $0[name] ?? [] } }
}

// MARK: - When a namespace goes

extension HostLinks: NamespaceTenant {
    package func isIn(_ name: NamespaceName) -> Bool { borrowed.withLock { $0[name] != nil } }

    package func leave(_ name: NamespaceName, of manager: NamespaceManager) async throws(NamespaceError) {
        try await manager.visitingHeld([name]) { [self] (open, thread) throws(SystemError) in
            for one in all(in: name) { try giveBack(one, from: open[0], on: &thread) }
        }
    }

    package func lose(_ name: NamespaceName) async {
        // The kernel has sent home what is hardware.
        let lost = borrowed.withLock { $0.removeValue(forKey: name) ?? [] }
        do throws(NamespaceError) {
            try await manager.working { [self] () throws(SystemError) in
                for one in lost { try remove(one) }
            }
        } catch {
            logger.warning("a link's record could not be removed", metadata: ["error": "\(error)"])
        }
    }
}

// MARK: - Records

extension HostLinks {
    /// Reads the records, and has the manager ask and tell from now on. Call it after the manager's start.
    package func start() async throws(NamespaceError) {
        for var one in try await manager.working({ [self] () throws(SystemError) in try load() }) {
            let known = one
            do throws(NamespaceError) {
                let index = try await manager.visiting([one.namespace], to: nil) { (open, thread) throws(SystemError) in
                    try known.find(by: try open[0].socket(on: &thread))
                }
                one.index = index
            } catch  where error.code == .notFound || error.code == .stale {
                one.index = nil
            }
            let current = one
            guard current.index != nil else {
                // It was not moved yet, or is back already.
                try await manager.working { [self] () throws(SystemError) in try remove(current) }
                continue
            }
            borrowed.withLock { $0[current.namespace, default: []].append(current) }
        }
        await manager.admit(self)
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
                if let index = one.index { writer.member("index", index) }
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
                    name: name))
        }
        return found
    }
}
