import LinuxKit
import Logging

extension NamespaceManager {
    /// Follows what others do in the directory, until ``stop()``.
    func startWatching() throws(NamespaceError) {
        let reports: AsyncStream<DirectoryWatcher.Report>
        do throws(SystemError) {
            reports = try kernel.watch()
        } catch {
            throw NamespaceError(error)
        }
        watching = Task {
            for await report in reports {
                for name in self.surprises(in: report, isSettled: true) { self.checkLater(name) }
            }
        }
    }

    /// Brings the index up to what others have done to the directory until now: the watcher's reports come a little
    /// later, so that they show what is finished.
    func takeInChanges() async throws(NamespaceError) {
        try await noteSurprises()
        for name in unchecked {
            try await check(name, isSettled: false)
            unchecked.remove(name)
        }
    }

    /// Notes which names have changed since this was last asked. A change is told of once, to whoever asks first, and who
    /// asks next must not go on before it is noted.
    private func noteSurprises() async throws(NamespaceError) {
        if askers == nil {
            askers = []
        } else {
            await withCheckedContinuation { askers?.append($0) }
        }
        defer {
            if let next = askers?.first {
                askers?.removeFirst()
                next.resume()
            } else {
                askers = nil
            }
        }
        unchecked.formUnion(surprises(in: try await changes()))
    }

    /// What has happened in the directory since this was last asked; at first, all that is there.
    func changes() async throws(NamespaceError) -> DirectoryWatcher.Report {
        do throws(SystemError) {
            return try await kernel.changes()
        } catch {
            throw NamespaceError(error)
        }
    }

    /// The names that are not what the index says. Those that we are working on are looked at afterwards; one that is
    /// being looked at is among them, for whoever asks must not go on before that is over.
    private func surprises(in report: DirectoryWatcher.Report, isSettled: Bool = false) -> [NamespaceName] {
        var surprises: [NamespaceName] = []
        func compare(_ name: NamespaceName, _ seen: NamespaceIndex.Known?) {
            guard index[name] != seen || isSettled && unannounced.contains(name) else { return }
            let isWorkedOn = isHeld(name) && !checking.contains(name)
            if isWorkedOn { doubtful.insert(name) } else { surprises.append(name) }
        }
        switch report {
        case .changed(let observations):
            for observation in observations {
                guard let name = NamespaceName(bytes: observation.name) else { continue }
                compare(name, .init(observation.seen))
            }
        case .swept(let observations):
            var seen: [NamespaceName: NamespaceIndex.Known] = [:]
            seen.reserveCapacity(observations.count)
            for observation in observations {
                guard let name = NamespaceName(bytes: observation.name) else { continue }
                seen[name] = .init(observation.seen)
                compare(name, .init(observation.seen))
            }
            for name in index.names where seen[name] == nil { compare(name, nil) }
        case .failed(let error):
            logger.error("the mount directory cannot be watched", metadata: ["error": "\(error)"])
        }
        return surprises
    }

    /// Tells that a namespace is gone whose name `now` has, where the watcher has not reported it yet: afterwards there
    /// is nothing to tell it by. Call it while holding the name.
    func tellReplacement(of name: NamespaceName, by now: NamespaceIndex.Known) async {
        guard let before = index[name], case .namespace = before, before != now else { return }
        events.append(.vanished, name, nil)
        await tellLoss(of: name)
        if let owner = dnsOwners[name], owner != now { await dropDNS(of: name) }
        index[name] = now
    }

    /// Looks at a name, without anybody waiting for it.
    func checkLater(_ name: NamespaceName) {
        // Detached, as a request's priority is not this one's.
        Task.detached { [self] in
            do throws(NamespaceError) {
                try await self.check(name)
            } catch {
                logger.error(
                    "a name that another tool changed could not be looked at",
                    metadata: ["name": "\(name)", "error": "\(error)"])
            }
        }
    }

    /// Looks at a name, and tells what others have made of it.
    ///
    /// - Parameter isSettled: Whether what is there has been so for as long as any tool needs to mount on it.
    private func check(_ name: NamespaceName, isSettled: Bool = true) async throws(NamespaceError) {
        try await holding(name) { () async throws(NamespaceError) in
            self.checking.insert(name)
            defer { self.checking.remove(name) }
            let before = self.unannounced.remove(name) == nil ? self.index[name] : nil
            let record = self.records[name]
            let namespace = try await self.look(at: name)
            let now = namespace.map { $0.status.map(NamespaceIndex.Known.init) ?? .stale }
            self.index[name] = now
            if before == nil, now == .stale, !isSettled {
                self.unannounced.insert(name)
                return
            }
            // The cookie knows a namespace again that has been mounted anew.
            if before == now || record != nil && namespace?.record == record { return }
            if case .namespace? = before {
                self.events.append(.vanished, name, nil)
                await self.tellLoss(of: name)
            }
            if let owner = self.dnsOwners[name], owner != now { await self.dropDNS(of: name) }
            if let namespace {
                self.events.append(.appeared, name, namespace)
            } else if before == .stale {
                self.events.append(.vanished, name, nil)
            }
            try await self.forget(name)
        }
    }
}

extension NamespaceIndex.Known {
    /// nil for a name that nothing has.
    init?(_ seen: DirectoryWatcher.Seen) {
        switch seen {
        case .absent: return nil
        case .plain: self = .stale
        case .namespaceFile(let device, let inode, let mountID):
            self = .namespace(device: device, inode: inode, mountID: mountID)
        }
    }
}
