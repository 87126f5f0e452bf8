import JSONText
import LinuxKit
import MicroHTTP
import NamespaceCore
import Synchronization
import SystemPackage

/// One line of the audit log: who did what to which namespaces, and what came of it.
struct AuditRecord: Sendable {
    /// What made somebody do it.
    enum Event: String {
        case request
        /// The daemon itself, because a lease had ended.
        case leaseExpiry = "lease-expiry"
    }

    /// Who is held responsible.
    struct Who: Sendable {
        let name: String
        let role: Role?

        init(name: String, role: Role?) {
            self.name = name
            self.role = role
        }

        /// Somebody of whom nothing is known but where the request came from.
        init(_ client: Client) {
            self.init(name: client.peer.map { "uid:\($0.user)" } ?? client.address ?? "unknown", role: nil)
        }

        /// Somebody who said who they are.
        init(_ principal: Principal) {
            self.init(name: principal.name, role: principal.role)
        }

        /// The daemon itself.
        static let daemon = Who(name: "netnsd", role: nil)
    }

    let time = Timestamp(milliseconds: SystemTime.wallMilliseconds)
    let event: Event
    let request: String?
    let principal: Who
    let client: Client?
    let method: String?
    let route: String?
    let notes: AuditNotes.Content
    let status: Int?
    let problem: String?
    let errno: Errno?
    let microseconds: UInt64

    private var outcome: String {
        switch status ?? (problem == nil ? 200 : 500) {
        case 500...: "failed"
        case 400...: "refused"
        default: notes.failed.count > 0 ? "partial" : "done"
        }
    }

    /// As JSON, every member always there.
    var line: [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.object { writer in
            writer.member("time", time.description)
            writer.member("event", event.rawValue)
            writer.member("request", request)
            writer.member("principal") { writer in
                writer.member("name", principal.name)
                writer.member("role", principal.role?.rawValue)
            }
            writer.key("client")
            if let client { writer.object { $0.members(of: client) } } else { writer.null() }
            writer.member("method", method)
            writer.member("route", route)
            writer.member("targets", notes.touched.names)
            writer.member("targetCount", notes.touched.count)
            writer.member("failed", notes.failed.names)
            writer.member("failedCount", notes.failed.count)
            writer.member("dryRun", notes.isDryRun)
            writer.member("outcome", outcome)
            writer.member("status", status)
            writer.member("problem", problem)
            writer.member("errno", errno.map { $0.name ?? "\($0.rawValue)" })
            writer.member("durationMicroseconds", microseconds)
        }
        return writer.bytes
    }
}

extension JSONWriter {
    fileprivate mutating func members(of client: Client) {
        let transport =
            switch client.transport {
            case .unix: "unix"
            case .tcp: "tcp"
            case .tls: "tls"
            }
        member("transport", transport)
        member("address", client.address)
        member("uid", client.peer?.user)
        member("gid", client.peer?.group)
        member("pid", client.peer?.process)
    }
}

/// What a request touches, noted on its way.
final class AuditNotes: Sendable {
    /// Names, of which only the first are kept.
    struct Names: Sendable {
        private(set) var names: [String] = []
        private(set) var count = 0

        mutating func add(_ name: String) {
            count += 1
            if count <= AuditNotes.mostNames { names.append(name) }
        }
    }

    struct Content: Sendable {
        var touched = Names()
        /// What was to be touched and could not be.
        var failed = Names()
        var isDryRun = false

        var isEmpty: Bool { touched.count + failed.count == 0 }
        mutating func add(_ name: String) { touched.add(name) }
    }

    /// How many names of either kind one record has; as many as a batch.
    static let mostNames = 1000

    private let state = Mutex(Content())

    var content: Content { state.withLock { $0 } }

    /// Notes what the request is about.
    func note(_ name: NamespaceName) { state.withLock { $0.add(name.description) } }

    /// Notes the results of a request about many names.
    func note(
        touched: some Sequence<NamespaceName>, failed: some Sequence<NamespaceName>, isDryRun: Bool = false
    ) {
        state.withLock { content in
            for name in touched { content.touched.add(name.description) }
            for name in failed { content.failed.add(name.description) }
            content.isDryRun = isDryRun
        }
    }
}
