/// The in-flight table: who works on which name, and who waits for it, in order of arrival.
///
/// An actor is re-entrant at every `await`, so being inside the manager protects nothing across one. Holding the name
/// does: operations on one name run one after the other, those on different names side by side. The table belongs to
/// the manager and is touched from inside it only.
struct NameQueue {
    private var waiting: [NamespaceName: [CheckedContinuation<Void, Never>]] = [:]

    /// Takes the name if it is free.
    mutating func take(_ name: NamespaceName) -> Bool {
        // One look in the table, as mostly it is free.
        guard let queue = waiting.updateValue([], forKey: name) else { return true }
        waiting[name] = queue
        return false
    }

    /// Whether somebody works on the name.
    func isTaken(_ name: NamespaceName) -> Bool { waiting[name] != nil }

    /// Queues for a name that is taken; resumed holding it.
    mutating func wait(for name: NamespaceName, _ continuation: CheckedContinuation<Void, Never>) {
        waiting[name, default: []].append(continuation)
    }

    /// Hands the name to who waited longest, or frees it.
    mutating func release(_ name: NamespaceName) {
        guard let place = waiting.index(forKey: name) else { return }
        if waiting.values[place].isEmpty {
            waiting.remove(at: place)
        } else {
            waiting.values[place].removeFirst().resume()
        }
    }
}
