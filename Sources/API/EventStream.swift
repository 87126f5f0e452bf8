import JSONText
import MicroHTTP
import NamespaceCore
import Synchronization

/// The changes as Server-Sent Events (WHATWG HTML, section 9.2), for one reader.
///
/// It holds what one read of the log gave, and nothing more: a reader that does not keep up falls behind in the log,
/// and is cut off when it is too far behind.
final class EventStream: BodyStream, EventLog.Follower {
    private struct State {
        var cursor: Revision
        /// What has been read from the log and not been asked for.
        var text: ArraySlice<UInt8> = Array(": netnsd\n\n".utf8)[...]
        var control: StreamControl?
        var lastRead = ContinuousClock.now
        var hasReadSinceTick = true
        var owesHeartbeat = false
        var isDraining = false
        var hasSaidGoodbye = false
    }

    /// How many changes a reader that does not read may be behind, and for how long.
    private static let (patience, patienceTime) = (1024, Duration.seconds(2))

    /// The last event of a stream that the daemon ends. Without an id, so that a reader goes on after the last change.
    private static let goodbye = Array("event: bye\ndata: {\"reason\":\"shutting-down\"}\n\n".utf8)

    private let state: Mutex<State>
    private let log: EventLog

    init(_ log: EventLog, after revision: Revision) {
        self.log = log
        state = Mutex(State(cursor: revision))
    }

    // MARK: BodyStream

    func start(_ control: StreamControl) {
        state.withLock { $0.control = control }
        if !log.follow(self) { drain() }
    }

    func read(atMost limit: Int) -> BodyPiece {
        state.withLock { state in
            state.lastRead = .now
            state.hasReadSinceTick = true
            if state.text.isEmpty {
                if state.hasSaidGoodbye { return .end }
                guard case .events(let events) = log.read(after: state.cursor, limit: 64) else { return .cut }
                if let last = events.last {
                    state.cursor = last.revision
                    state.text = events.flatMap(Self.text(of:))[...]
                } else if state.isDraining {
                    state.hasSaidGoodbye = true
                    state.text = Self.goodbye[...]
                } else if state.owesHeartbeat {
                    state.text = Array(": heartbeat\n\n".utf8)[...]
                }
                // Anything sent is a sign of life.
                state.owesHeartbeat = false
            }
            guard !state.text.isEmpty else { return .wait }
            let piece = state.text.prefix(limit)
            state.text = state.text.dropFirst(piece.count)
            return .bytes(Array(piece))
        }
    }

    func drain() {
        let control = state.withLock { state in
            state.isDraining = true
            return state.control
        }
        control?.wake()
    }

    func ended() {
        log.unfollow(self)
    }

    // MARK: EventLog.Follower

    func newsArrived() {
        let newest = log.newest
        let (control, isTooSlow) = state.withLock { state in
            let isBehind = state.cursor < newest && newest.number - state.cursor.number > Self.patience
            return (state.control, isBehind && state.lastRead.duration(to: .now) > Self.patienceTime)
        }
        if isTooSlow { control?.cut() } else { control?.wake() }
    }

    func timePassed() {
        let newest = log.newest
        let (control, isStuck) = state.withLock { state in
            defer { state.hasReadSinceTick = false }
            state.owesHeartbeat = true
            return (state.control, !state.hasReadSinceTick && (state.cursor < newest || !state.text.isEmpty))
        }
        if isStuck { control?.cut() } else { control?.wake() }
    }

    func logClosed() {
        drain()
    }

    private static func text(of event: Event) -> [UInt8] {
        var text = Array("id: \(event.revision)\nevent: \(event.kind.rawValue)\ndata: ".utf8)
        text += JSONWriter.text(capacity: 512) { writer in writer.object { $0.members(of: event) } }
        text.append(UInt8(ascii: "\n"))
        return text
    }
}
