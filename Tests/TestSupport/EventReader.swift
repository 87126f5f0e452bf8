import Foundation

/// One server-sent event, as it came.
package struct StreamEvent: Sendable {
    package let revision: Int
    package let type: String
    /// The event's `data`, which is JSON.
    package let text: String
    /// When its last byte was read.
    package let arrived: ContinuousClock.Instant

    package var json: JSONValue { get throws { try JSONValue(parsing: Data(text.utf8)) } }
    package var name: String? { (try? json["name"])??.string }
}

/// Reads `/v1/events` as server-sent events.
///
/// Blocks, as ``RawConnection`` does.
package final class EventReader {
    private let connection: RawConnection
    private let validator: ExchangeValidator?
    private var body: [UInt8] = []
    private var position = 0
    /// The comments so far, without the colon.
    package private(set) var comments: [String] = []

    /// Asks for events, and returns when the first comment is there: later changes are in the stream.
    ///
    /// - Parameters:
    ///   - path: `/v1/events`, with a query or none.
    ///   - validator: What the answer and every event is held against; nil under load.
    package init(
        _ endpoint: Endpoint, path: String = "/v1/events", headers: [String] = [], validator: ExchangeValidator?
    ) throws {
        connection = try RawConnection(endpoint)
        self.validator = validator
        try connection.send("GET", path, headers: headers)
        let response = try connection.responseHead()
        if response.status != 200 || response.headers["transfer-encoding"] != "chunked" {
            throw TestFailure("GET \(path): \(response.status) \(response.headers)")
        }
        let failures = try validator?.failures(method: "GET", path: path, response: response) ?? []
        guard failures.isEmpty else { throw TestFailure(failures.joined(separator: "\n")) }
        _ = try block()
        guard comments == ["netnsd"] else { throw TestFailure("the stream begins with \(comments)") }
    }

    /// The data of the event that a daemon ends its streams with.
    package private(set) var farewell: String?

    /// The next event; nil when the daemon has ended the stream.
    package func next() throws -> StreamEvent? {
        while let lines = try block() {
            guard !lines.isEmpty else { continue }
            let names = lines.map(\.name)
            if names == ["event", "data"], lines[0].value == "bye" {
                farewell = lines[1].value
                continue
            }
            guard farewell == nil else { throw TestFailure("after the farewell came \(lines)") }
            guard names == ["id", "event", "data"], let revision = Int(lines[0].value) else {
                throw TestFailure("not an event: \(lines)")
            }
            let event = StreamEvent(
                revision: revision, type: lines[1].value, text: lines[2].value, arrived: .now)
            if let validator {
                let json = try event.json
                var failures = try validator.eventFailures(of: json)
                if json["revision"]?.int != revision { failures.append("the id is not the revision") }
                if json["type"]?.string != event.type { failures.append("the event is not the type") }
                guard failures.isEmpty else { throw TestFailure("\(event.text): \(failures)") }
            }
            return event
        }
        return nil
    }

    /// The next `count` events; throws when there are fewer.
    package func take(_ count: Int) throws -> [StreamEvent] {
        try (0..<count).map { index in
            guard let event = try next() else {
                throw TestFailure("the stream ended after \(index) of \(count) events")
            }
            return event
        }
    }

    /// The fields up to the next empty line, comments put aside; nil at the end of the stream.
    private func block() throws -> [(name: String, value: String)]? {
        var fields: [(name: String, value: String)] = []
        while let line = try line() {
            if line.isEmpty { return fields }
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let value = parts.count == 2 ? parts[1] : ""
            let text = value.hasPrefix(" ") ? String(value.dropFirst()) : value
            if parts[0].isEmpty { comments.append(text) } else { fields.append((parts[0], text)) }
        }
        return nil
    }

    private func line() throws -> String? {
        var searched = position
        while true {
            if let end = body[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { position = end + 1 }
                return String(decoding: body[position..<end], as: UTF8.self)
            }
            body.removeFirst(position)
            position = 0
            searched = body.count
            guard let chunk = try connection.chunk() else { return nil }
            body += chunk
        }
    }
}
