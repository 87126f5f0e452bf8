import CLinux
import Glibc
import SystemPackage

/// Threads for what blocks. Each belongs to whoever starts it, and is none of Swift concurrency's pool.
enum PlainThread {
    /// What a thread is to do, on its way there.
    private final class Work {
        let name: String
        let body: () -> Void

        init(_ name: String, _ body: @escaping () -> Void) {
            self.name = name
            self.body = body
        }

        func run() {
            _ = unsafe clinux_name_thread(name)
            // Whoever started it may be kept off a processor for a moment, which a thread inherits for good.
            _ = clinux_avoid_processor(0, -1)
            body()
        }
    }

    /// Starts a thread, which is to be joined or detached.
    ///
    /// - Parameters:
    ///   - name: What it is called where threads are listed; at most 15 bytes of it.
    ///   - body: Run on the thread, and let go of there.
    /// - Throws: `.startThread`.
    static func start(_ name: String, _ body: sending @escaping () -> Void) throws(SystemError) -> pthread_t {
        // SAFETY: The thread takes over this reference, in `main`, and is the only one to use it from here on.
        let context = unsafe Unmanaged.passRetained(Work(name, body)).toOpaque()
        var thread = pthread_t()
        let status = unsafe pthread_create(&thread, nil, { unsafe PlainThread.main($0) }, context)
        guard status == 0 else {
            unsafe Unmanaged<Work>.fromOpaque(context).release()
            throw SystemError(.startThread, errno: Errno(rawValue: status))
        }
        return thread
    }

    /// Starts a thread that nobody waits for.
    ///
    /// - Throws: `.startThread`.
    static func detach(_ name: String, _ body: sending @escaping () -> Void) throws(SystemError) {
        _ = pthread_detach(try start(name, body))
    }

    /// A thread's first function. The context is the reference that ``start(_:_:)`` retained for it.
    private static func main(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let context = unsafe context else { return unsafe context }
        unsafe Unmanaged<Work>.fromOpaque(context).takeRetainedValue().run()
        return nil
    }
}
