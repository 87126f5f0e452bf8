import LinuxKit
package import Logging
package import NamespaceCore
import Netlink
import Synchronization
import SystemPackage

/// Tells of what happens to the links, addresses and routes inside namespaces that somebody wants to follow.
///
/// One socket in the daemon's own namespace hears of all that have an id there (`NETLINK_LISTEN_ALL_NSID`), so that
/// following a namespace keeps nothing of it alive. A watch ends with its namespace, and with the daemon.
package final class LinkWatch: Sendable {
    /// How many namespaces are watched at most.
    package static let most = 1024

    fileprivate struct Watched {
        let name: NamespaceName
        /// What the links are called.
        var names: [LinkIndex: String] = [:]
        /// What was last told of them, or found at first, to tell what is no news.
        var links: [LinkIndex: Event.Link] = [:]
    }

    private struct State {
        var watched: [NamespaceID: Watched] = [:]
        var ids: [NamespaceName: NamespaceID] = [:]
        var thread: WakeableThread?
    }

    private let state = Mutex(State())
    private let manager: NamespaceManager
    private let logger: Logger

    package init(manager: NamespaceManager, logger: Logger) {
        self.manager = manager
        self.logger = logger
    }

    /// How many namespaces are watched.
    package var count: Int { state.withLock { $0.ids.count } }

    /// Has what happens inside the namespace told as events from now on.
    ///
    /// - Throws: `.notFound`, `.stale`, `.changeForbidden`; `.limitReached` for one too many.
    package func watch(_ name: NamespaceName, by authority: Authority = .unlimited) async throws(NamespaceError) {
        try await manager.visiting([name], to: .change, by: authority) { [self] (open, thread) throws(SystemError) in
            try begin(name, open[0], on: &thread)
        }
    }

    private func begin(
        _ name: NamespaceName, _ namespace: OpenNamespace, on thread: inout KernelThread
    ) throws(SystemError) {
        let home = try NetlinkSocket.open()
        do throws(SystemError) {
            try home.perform(.assignNamespaceID(to: namespace.descriptor))
        } catch  where error.errno == .fileExists {
            // It has one.
        }
        guard let id = try home.namespaceID(of: namespace.descriptor) else {
            throw SystemError(.findNamespaceID, namespace.path, errno: .noSuchProcess)
        }
        try listen()
        let isRoom = state.withLock { state in
            guard state.ids[name] == id || state.ids.count < Self.most else { return false }
            if state.watched[id]?.name != name { state.watched[id] = Watched(name: name) }
            state.ids[name] = id
            return true
        }
        guard isRoom else { throw SystemError(.hearNetlink, errno: .tooManyOpenFiles) }
        // After it is heard of, so that nothing falls in between; what was heard meanwhile is newer.
        let links = try namespace.socket(on: &thread).links()
        let names = Dictionary(links.map { ($0.index, $0.name) }) { first, _ in first }
        state.withLock { state in
            for link in links where state.watched[id]?.links[link.index] == nil {
                state.watched[id]?.names[link.index] = link.name
                state.watched[id]?.links[link.index] = Event.Link(link, master: link.master.flatMap { names[$0] })
            }
        }
    }

    /// Starts the thread, on first use.
    private func listen() throws(SystemError) {
        guard state.withLock({ $0.thread == nil }) else { return }
        let monitor = try LinkMonitor.open(.everyNamespaceWithID)
        let descriptor = monitor.pollDescriptor
        let thread = try WakeableThread("netnsd-links", on: descriptor) { [weak self] in self?.read(monitor) }
        let superfluous = state.withLock { state -> WakeableThread? in
            if state.thread != nil { return thread }
            state.thread = thread
            return nil
        }
        superfluous?.stop()
    }

    /// Tells of nothing more of the namespace.
    ///
    /// - Throws: `.notFound`, `.changeForbidden`.
    package func unwatch(_ name: NamespaceName, by authority: Authority = .unlimited) async throws(NamespaceError) {
        try await manager.visiting([name], to: .change, by: authority) { [self] (_, _) throws(SystemError) in
            forget(name)
        }
    }

    /// Whether the namespace is watched.
    ///
    /// - Throws: `.notFound`, `.stale`.
    package func isWatched(_ name: NamespaceName) async throws(NamespaceError) -> Bool {
        try await manager.visiting([name], to: nil) { [self] (_, _) throws(SystemError) in isIn(name) }
    }

    private func forget(_ name: NamespaceName) {
        state.withLock { state in
            guard let id = state.ids.removeValue(forKey: name) else { return }
            if state.watched[id]?.name == name { state.watched[id] = nil }
        }
    }

    /// Ends the thread; nothing is told any more.
    package func stop() {
        let thread = state.withLock { state in
            state.watched = [:]
            state.ids = [:]
            return state.thread.take()
        }
        thread?.stop()
    }
}

// MARK: - Hearing

extension LinkWatch {
    /// Called on the thread.
    private func read(_ monitor: LinkMonitor) {
        do throws(SystemError) {
            let reading = try monitor.read()
            for event in reading.events { tell(event) }
            guard reading.lostSome else { return }
            let names = state.withLock { state in
                // What was lost may be that a link is different now: all that comes is news.
                for id in state.watched.keys { state.watched[id]?.links = [:] }
                return Array(state.ids.keys)
            }
            for name in names { manager.events.append(.changesLost, in: name, nil) }
        } catch {
            logger.error("what happens to links cannot be read", metadata: ["error": "\(error)"])
        }
    }

    private func tell(_ event: LinkMonitor.Event) {
        if case .namespaceGone(let id) = event.change {
            // Another one may get the id.
            state.withLock { state in
                guard let name = state.watched.removeValue(forKey: id)?.name else { return }
                if state.ids[name] == id { state.ids[name] = nil }
            }
            return
        }
        guard let id = event.namespaceID else { return }
        let news = state.withLock { state -> (Event.Kind, NamespaceName, Event.Subject)? in
            guard var watched = state.watched[id], let (kind, subject) = watched.take(event.change) else { return nil }
            state.watched[id] = watched
            return (kind, watched.name, subject)
        }
        if let (kind, name, subject) = news { manager.events.append(kind, in: name, subject) }
    }
}

extension LinkWatch.Watched {
    /// What a change is told as; nil for what is no news.
    fileprivate mutating func take(_ change: LinkMonitor.Change) -> (Event.Kind, Event.Subject)? {
        switch change {
        case .link(let link):
            let link = Event.Link(link, master: link.master.flatMap { names[$0] })
            names[link.index] = link.name
            guard links[link.index] != link else { return nil }
            links[link.index] = link
            return (.linkChanged, .link(link))
        case .linkDeleted(let link):
            links[link.index] = nil
            names[link.index] = nil
            return (.linkRemoved, .link(Event.Link(link, master: nil)))
        case .address(let address):
            return (.addressAdded, .address(self.address(address)))
        case .addressDeleted(let address):
            return (.addressRemoved, .address(self.address(address)))
        case .route(let route):
            return self.route(route).map { (.routeAdded, .route($0)) }
        case .routeDeleted(let route):
            return self.route(route).map { (.routeRemoved, .route($0)) }
        case .namespaceGone:
            return nil
        }
    }

    private func address(_ address: InterfaceAddress) -> Event.Address {
        Event.Address(link: names[address.link], address: address.address.description)
    }

    /// nil for what the kernel does by itself with each address.
    private func route(_ route: Route) -> Event.Route? {
        guard route.table != .local else { return nil }
        let isDefault = route.destination == .all(route.family)
        return Event.Route(
            destination: isDefault ? "default" : route.destination.description, gateway: route.gateway?.description,
            link: route.link.flatMap { names[$0] }, table: route.table.rawValue)
    }
}

extension Event.Link {
    fileprivate init(_ link: Link, master: String?) {
        self.init(
            name: link.name, index: link.index, isUp: link.isUp, state: link.operationalState.rawValue, mtu: link.mtu,
            mac: link.address?.description, master: master)
    }
}

// MARK: - When a namespace goes

extension LinkWatch: NamespaceTenant {
    package func isIn(_ name: NamespaceName) -> Bool { state.withLock { $0.ids[name] != nil } }

    package func leave(_ name: NamespaceName, of manager: NamespaceManager) async throws(NamespaceError) {}

    package func lose(_ name: NamespaceName) async { forget(name) }
}
