// Glibc's structs too: in a release build they are found in this one, which is loaded first.
import CMicroHTTPD
import Glibc
import Logging
import Synchronization
import SystemPackage

/// Accepts the connections of all of a server's addresses, in a thread of its own, and hands them to libmicrohttpd.
///
/// libmicrohttpd can accept by itself, and cannot stop it safely: `MHD_quiesce_daemon` of 0.9.75 takes the socket out
/// of a thread's epoll set, as that thread does when it happens to wake, and whoever comes second ends the process.
///
/// `@unchecked Sendable`: `thread` is written once, before anybody else has the object, and joined once, in ``stop()``;
/// the rest does not change or is atomic.
@safe final class Acceptor: @unchecked Sendable {
    /// How many connections are taken from one address before the others are looked at.
    private static let batch = 64
    /// For how long, at most, nothing is accepted when it has failed, mostly for want of descriptors.
    private static let pauseMilliseconds: CInt = 200

    private let entrances: [Entrance]
    private let wake: Wake
    private let logger: Logger
    private let isStopping = Atomic<Bool>(false)
    private var thread = pthread_t()

    /// Begins to accept.
    ///
    /// - Parameter address: What to name in an error.
    init(_ entrances: [Entrance], wake: Wake, logger: Logger, for address: ListenAddress) throws(ListenError) {
        self.entrances = entrances
        self.wake = wake
        self.logger = logger
        // The thread's reference, released at its end.
        let context = unsafe Unmanaged.passRetained(self).toOpaque()
        let status = unsafe pthread_create(&thread, nil, { unsafe Acceptor.main($0) }, context)
        guard status == 0 else {
            unsafe Unmanaged<Acceptor>.fromOpaque(context).release()
            throw ListenError(address, "pthread_create", errno: Errno(rawValue: status))
        }
    }

    /// Returns when nobody accepts any more, which takes a moment. To be called once.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        wake.signal()
        _ = pthread_join(thread, nil)
    }

    private static func main(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let context = unsafe context else { return nil }
        let acceptor = unsafe Unmanaged<Acceptor>.fromOpaque(context).takeRetainedValue()
        unsafe cmicrohttpd_name_thread("accept")
        acceptor.run()
        return nil
    }

    private func run() {
        var trouble: Errno?
        var reported: Errno?
        while !isStopping.load(ordering: .acquiring) {
            let ready = trouble == nil ? entrances.filter { !$0.isFull } : []
            var entries = [pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0)]
            entries += ready.map { pollfd(fd: $0.socket.descriptor, events: Int16(POLLIN), revents: 0) }
            _ = unsafe poll(&entries, nfds_t(entries.count), trouble == nil ? -1 : Self.pauseMilliseconds)
            if entries[0].revents != 0 { wake.clear() }
            trouble = nil
            for (entrance, entry) in zip(ready, entries.dropFirst()) where entry.revents != 0 {
                guard let errno = admitAll(of: entrance) else { continue }
                trouble = errno
                if errno != reported {
                    logger.warning("no connection can be accepted", metadata: ["reason": "\(errno)"])
                }
            }
            if !ready.isEmpty { reported = trouble }
        }
    }

    /// Returns what stands in the way of accepting anybody.
    private func admitAll(of entrance: Entrance) -> Errno? {
        for _ in 0..<Self.batch where !entrance.isFull {
            switch entrance.admitNext() {
            case .admitted: continue
            case .nobody: return nil
            case .failed(let errno): return errno
            }
        }
        return nil
    }
}

/// An address's way in: its socket, the libmicrohttpd daemon behind it, and how many have come in and not left.
///
/// `@unchecked Sendable`: `daemon` and `loop` are set before the acceptor has the entrance, whose connections alone have
/// others read them, and `MHD_add_connection` may be called from any thread while a daemon with threads runs.
@safe final class Entrance: @unchecked Sendable {
    /// What became of an attempt to accept.
    enum Outcome {
        case admitted
        /// Nobody is waiting any more.
        case nobody
        /// Trying again at once would be in vain, for want of descriptors or memory.
        case failed(Errno)
    }

    let server: ServerCore
    let socket: ListeningSocket
    private let wake: Wake
    private let limit: Int
    /// One that libmicrohttpd has no memory for stays counted: it tells nobody that it closes it. Swift itself ends the
    /// process for want of memory.
    private let inside = Atomic<Int>(0)
    /// How many connections have begun.
    private let begun = Atomic<Int>(0)
    private var daemon: OpaquePointer?
    /// What serves a daemon without threads.
    private(set) var loop: EventLoop?

    init(_ socket: ListeningSocket, of server: ServerCore, limit: Int, wake: Wake) {
        self.server = server
        self.socket = socket
        self.limit = limit
        self.wake = wake
    }

    /// Leads to this daemon from now on.
    ///
    /// - Parameter loop: What serves it, if it has no threads.
    func lead(to daemon: OpaquePointer, served loop: EventLoop?) {
        unsafe self.daemon = unsafe daemon
        self.loop = loop
    }

    /// Whether it has as many connections as it may have; later ones wait in the kernel's queue.
    var isFull: Bool { inside.load(ordering: .sequentiallyConsistent) >= limit }

    /// Whether nobody is inside, or on the way from the acceptor to libmicrohttpd's thread.
    var isEmpty: Bool { inside.load(ordering: .sequentiallyConsistent) == 0 }

    /// Accepts one connection and hands it to libmicrohttpd, which from then on owns it, also when it refuses it.
    func admitNext() -> Outcome {
        var address = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // SAFETY: every socket address fits in a sockaddr_storage, whose size is given.
        return unsafe withUnsafeMutablePointer(to: &address) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                let descriptor = unsafe cmicrohttpd_accept(socket.descriptor, address, &size)
                guard descriptor >= 0 else { return Self.outcome(of: Errno(rawValue: Glibc.errno)) }
                inside.add(1, ordering: .sequentiallyConsistent)
                let arrival = EventLoop.Arrival(descriptor: descriptor, address: unsafe storage.pointee, size: size)
                if let loop {
                    loop.add(arrival)
                } else if !hand(arrival) {
                    left()
                }
                return .admitted
            }
        }
    }

    /// Has a daemon without threads take a connection. To be called within a turn of its loop.
    func admit(_ arrival: EventLoop.Arrival) {
        let before = begun.load(ordering: .relaxed)
        // One that has begun, and cannot go on, has ended by now.
        if !hand(arrival), begun.load(ordering: .relaxed) == before { left() }
    }

    /// Hands a connection to the daemon; false says that it has refused and closed it.
    private func hand(_ arrival: EventLoop.Arrival) -> Bool {
        var address = arrival.address
        // SAFETY: the address was accepted with this size, and libmicrohttpd copies it.
        return unsafe withUnsafeMutablePointer(to: &address) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe MHD_add_connection(daemon, arrival.descriptor, address, arrival.size) == .YES
            }
        }
    }

    /// Notes that a connection begins.
    func entered() { begun.add(1, ordering: .relaxed) }

    /// Notes that a connection is gone, and has the acceptor look again if it stood before a full house.
    func left() {
        if inside.subtract(1, ordering: .sequentiallyConsistent).oldValue >= limit { wake.signal() }
    }

    /// accept(2): errors of the network that wait on the new socket are to be taken like EAGAIN.
    private static func outcome(of errno: Errno) -> Outcome {
        switch errno {
        case .resourceTemporarilyUnavailable, .interrupted, .connectionAbort, .notPermitted, .protocolError,
            .networkDown, .hostIsDown, .noRouteToHost, .networkUnreachable, .notSupportedOnSocket:
            .nobody
        default: .failed(errno)
        }
    }
}

/// Has a thread look up from its wait: an eventfd(2).
final class Wake: Sendable {
    let descriptor: CInt

    /// - Parameter address: What to name in an error.
    init(for address: ListenAddress) throws(ListenError) {
        descriptor = cmicrohttpd_eventfd()
        guard descriptor >= 0 else { throw ListenError(address, "eventfd", errno: Errno(rawValue: Glibc.errno)) }
    }

    deinit { _ = close(descriptor) }

    func signal() { _ = eventfd_write(descriptor, 1) }

    func clear() {
        var value: eventfd_t = 0
        _ = unsafe eventfd_read(descriptor, &value)
    }
}
