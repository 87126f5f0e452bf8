// Glibc's structs too: in a release build they are found in this one, which is loaded first.
import CMicroHTTPD
import Glibc
import Synchronization

/// What is remembered of a TLS connection between its requests: libmicrohttpd's socket context.
final class TLSConnection: Sendable {
    private struct Opinion {
        let verdict: TLSVerdict
        /// By whose authorities.
        let credentials: TLSCredentials
        /// When it is to be formed anew, in seconds since 1970.
        let end: Int64
    }

    /// For how long an opinion holds, in seconds: an authority's certificate can end too.
    private static let opinionSeconds: Int64 = 60

    /// Those of the handshake, which GnuTLS points to until the session's end.
    private let offered: TLSCredentials
    private let opinion = Mutex<Opinion?>(nil)

    init(offering credentials: TLSCredentials) {
        offered = credentials
    }

    /// What is to be thought of the client by the server's present credentials. Costs next to nothing when nothing has
    /// changed since the request before.
    ///
    /// - Parameter session: The connection's session, in use by no other thread.
    func verdict(on session: UnsafeMutableRawPointer, by credentials: TLSCredentials) -> TLSVerdict {
        let now = Self.now()
        if let known = opinion.withLock(\.self), known.credentials === credentials, now < known.end {
            return known.verdict
        }
        let (verdict, expiry) = unsafe credentials.verdict(on: session)
        opinion.withLock {
            $0 = Opinion(verdict: verdict, credentials: credentials, end: min(expiry, now + Self.opinionSeconds))
        }
        return verdict
    }

    /// The wall clock's seconds, as of the kernel's last tick.
    private static func now() -> Int64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME_COARSE, &time)
        return Int64(time.tv_sec)
    }
}
