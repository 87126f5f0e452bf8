import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/v1/events`
    static func events(_ log: EventLog) -> Route {
        Route(
            "/v1/events",
            [(.get, .read, .awaiting { (call, _) async throws(Problem) in try await follow(call, log) })])
    }
}

/// The most events of one answer to a long poll.
private let pollLimit = 256

private func follow(_ call: Call, _ log: EventLog) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["since", "wait"])
    var since = try query.revision("since")
    // An EventSource keeps its URL when it connects again: the query is where it once began.
    if let last = try lastEventID(call) { since = last }
    guard query.bytes("wait") != nil else { return try stream(log, since: since) }
    let seconds = try query.integer("wait", in: 1...60, default: 60)
    guard let since else {
        throw Problem(.invalidParameter, "wait goes with since, the revision to wait from.", field: "since")
    }
    guard case .events(let events) = await log.read(after: since, limit: pollLimit, waiting: .seconds(seconds)) else {
        throw Problem(goneAt: log.newest)
    }
    return .json { writer in
        writer.key("events")
        writer.array(of: events) { (writer, event) in writer.object { $0.members(of: event) } }
        writer.member("revision", (events.last?.revision ?? since).number)
    }
}

private func stream(_ log: EventLog, since: Revision?) throws(Problem) -> Response {
    let start = since ?? log.newest
    if case .gone = log.read(after: start, limit: 0) { throw Problem(goneAt: log.newest) }
    return Response(
        status: .ok, headerFields: [.contentType: "text/event-stream", .cacheControl: "no-store"],
        stream: EventStream(log, after: start))
}

/// What a client of Server-Sent Events sends when it connects again.
private func lastEventID(_ call: Call) throws(Problem) -> Revision? {
    guard let text = call.request.headerFields[.lastEventID] else { return nil }
    guard let revision = Revision(text) else {
        throw Problem(.invalidParameter, "The value is a revision.", field: "Last-Event-ID")
    }
    return revision
}

extension HTTPField.Name {
    fileprivate static let lastEventID = token("Last-Event-ID")
}

extension Revision {
    fileprivate init?(_ text: String) {
        guard let number = Int64(text), number >= 0 else { return nil }
        self.init(number)
    }
}

extension Query {
    fileprivate func revision(_ name: String) throws(Problem) -> Revision? {
        guard let bytes = bytes(name) else { return nil }
        guard let revision = Revision(String(decoding: bytes, as: UTF8.self)) else {
            throw Problem(.invalidParameter, "The value is a revision, as lists and events have it.", field: name)
        }
        return revision
    }
}

extension Problem {
    fileprivate init(goneAt newest: Revision) {
        self.init(
            .revisionGone,
            "What happened since is not known any more; list the namespaces again and follow from the list's revision.")
        revision = newest.number
    }
}

extension JSONWriter {
    /// What an event says, in a stream and in an answer to a long poll.
    mutating func members(of event: Event) {
        member("revision", event.revision.number)
        member("type", event.kind.rawValue)
        member("at", event.at.description)
        member("name", event.name.description)
        key("namespace")
        if let namespace = event.namespace { object { $0.members(of: namespace) } } else { null() }
        switch event.subject {
        case nil: break
        case .wire(let wire)?: member("wire") { $0.members(of: wire) }
        case .attachment(let attachment)?:
            member("attachment") { writer in
                writer.member("id", attachment.id)
                writer.member("network", attachment.network)
                writer.member("interface", attachment.interface)
            }
        case .link(let link)?: member("link") { $0.members(of: link) }
        case .address(let address)?:
            member("address") { writer in
                writer.member("link", address.link)
                writer.member("address", address.address)
            }
        case .route(let route)?:
            member("route") { writer in
                writer.member("destination", route.destination)
                writer.member("gateway", route.gateway)
                writer.member("link", route.link)
                writer.member("table", route.table)
            }
        }
    }

    private mutating func members(of wire: Event.Wire) {
        member("id", wire.id)
        let ends: [(StaticString, Event.Wire.End)] = [("a", wire.a), ("b", wire.b)]
        for (key, end) in ends {
            member(key) { writer in
                writer.member("namespace", end.namespace.description)
                writer.member("link", end.link)
            }
        }
    }

    private mutating func members(of link: Event.Link) {
        member("name", link.name)
        member("index", link.index)
        member("up", link.isUp)
        member("state", link.state)
        member("mtu", link.mtu)
        member("mac", link.mac)
        member("master", link.master)
    }
}
