import CLinux
import Glibc
import Synchronization
import SystemPackage

/// One plain thread that waits for something to happen, and ends when it is woken up for good.
package final class WakeableThread: Sendable {
    private struct Running {
        let thread: pthread_t
        let wakeUp: WakeUp
    }

    private let running: Mutex<Running?>

    /// Starts the thread. Call ``stop()`` before letting go, if only to know when `body` has ended.
    ///
    /// - Parameters:
    ///   - name: What the thread is called where threads are listed; at most 15 bytes of it.
    ///   - wakeUp: What `body` looks out for while it waits, to return.
    ///   - body: Run on the thread, and let go of there. It must not call ``stop()``.
    /// - Throws: `.startThread`.
    init(_ name: String, wakeUp: WakeUp, _ body: sending @escaping () -> Void) throws(SystemError) {
        running = Mutex(Running(thread: try PlainThread.start(name, body), wakeUp: wakeUp))
    }

    /// Starts a thread that does the same whenever a descriptor is readable.
    ///
    /// - Parameters:
    ///   - name: What the thread is called where threads are listed; at most 15 bytes of it.
    ///   - descriptor: One that `isReadable` keeps open.
    ///   - isReadable: Called on the thread, and let go of there. It must read, and not call ``stop()``.
    /// - Throws: `.openEvent`, `.startThread`.
    package convenience init(
        _ name: String, on descriptor: CInt, _ isReadable: sending @escaping () -> Void
    ) throws(SystemError) {
        let wakeUp = try WakeUp()
        try self.init(name, wakeUp: wakeUp) {
            while true {
                let woken = clinux_wait(wakeUp.rawValue, descriptor, -1, -1)
                if woken > 0, woken & CLINUX_WOKEN_BY_EVENT != 0 { return }
                if woken > 0, woken & CLINUX_WOKEN_BY_NOTIFY != 0 { isReadable() }
            }
        }
    }

    deinit {
        stop()
    }

    /// Ends the thread and waits for it, for no longer than it takes to look out for the next thing.
    package func stop() {
        running.withLock { running in
            guard let ending = running else { return }
            ending.wakeUp.signal()
            _ = pthread_join(ending.thread, nil)
            running = nil
        }
    }
}

/// Wakes a thread, for good.
final class WakeUp: Sendable {
    private let descriptor: OwnedDescriptor

    init() throws(SystemError) {
        descriptor = OwnedDescriptor(owning: try call(.openEvent) { clinux_event_open() })
    }

    /// Readable once it has been signalled, for ever.
    var rawValue: CInt { descriptor.rawValue }

    func signal() {
        // Only a counter near 2^64 could make this fail.
        _ = clinux_event_signal(descriptor.rawValue)
    }
}
