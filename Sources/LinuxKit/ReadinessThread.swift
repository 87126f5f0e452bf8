import CLinux
import Glibc
import Synchronization
import SystemPackage

/// One plain thread that does the same whenever a descriptor is readable.
package final class ReadinessThread: Sendable {
    private struct Running {
        let thread: pthread_t
        let wakeUp: WakeUp
    }

    /// What the thread has to itself.
    private final class Loop {
        let wakeUp: WakeUp
        let descriptor: CInt
        let isReadable: () -> Void

        init(_ wakeUp: WakeUp, _ descriptor: CInt, _ isReadable: @escaping () -> Void) {
            self.wakeUp = wakeUp
            self.descriptor = descriptor
            self.isReadable = isReadable
        }

        func run() {
            while true {
                let woken = clinux_wait(wakeUp.rawValue, descriptor, -1, -1)
                if woken > 0, woken & CLINUX_WOKEN_BY_EVENT != 0 { return }
                if woken > 0, woken & CLINUX_WOKEN_BY_NOTIFY != 0 { isReadable() }
            }
        }
    }

    private let running: Mutex<Running?>

    /// Starts the thread. Call ``stop()`` before letting go, if only to know when `isReadable` has been called for the
    /// last time.
    ///
    /// - Parameters:
    ///   - descriptor: One that `isReadable` keeps open.
    ///   - isReadable: Called on the thread, and let go of there. It must read, and not call ``stop()``.
    /// - Throws: `.openEvent`, `.startThread`.
    package init(
        on descriptor: CInt, _ isReadable: sending @escaping () -> Void
    ) throws(SystemError) {
        let wakeUp = try WakeUp()
        // SAFETY: The thread takes over this reference, in `main`, and is the only one to use the loop from here on.
        let context = unsafe Unmanaged.passRetained(Loop(wakeUp, descriptor, isReadable)).toOpaque()
        var thread = pthread_t()
        let status = unsafe pthread_create(&thread, nil, { unsafe ReadinessThread.main($0) }, context)
        guard status == 0 else {
            unsafe Unmanaged<Loop>.fromOpaque(context).release()
            throw SystemError(.startThread, errno: Errno(rawValue: status))
        }
        running = Mutex(Running(thread: thread, wakeUp: wakeUp))
    }

    deinit {
        stop()
    }

    /// Ends the thread and waits for it, for no longer than `isReadable` takes.
    package func stop() {
        running.withLock { running in
            guard let ending = running else { return }
            ending.wakeUp.signal()
            _ = pthread_join(ending.thread, nil)
            running = nil
        }
    }

    /// The thread's first function. The context is the reference that the initializer retained for it.
    private static func main(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let context = unsafe context else { return unsafe context }
        _ = unsafe clinux_name_thread("netnsd-links")
        unsafe Unmanaged<Loop>.fromOpaque(context).takeRetainedValue().run()
        return nil
    }
}
