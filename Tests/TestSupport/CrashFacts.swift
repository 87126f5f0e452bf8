import Foundation

/// What the crash driver knows, or is told, of one namespace.
package struct CrashFacts: Sendable, CustomStringConvertible {
    /// Given with the namespace's creation and never changed, in its labels: by it the driver knows it again.
    static let idLabel = "id"

    /// nil while only the daemon knows it.
    var name: String?
    var labels: [String: String]
    var leaseSeconds: Int?
    /// Which namespace it is; nil until the daemon has told.
    var cookie: Int?

    /// What is asked for.
    init(name: String?, labels: [String: String], leaseSeconds: Int?) {
        self.name = name
        self.labels = labels
        self.leaseSeconds = leaseSeconds
    }

    /// Reads what the daemon answers.
    init(_ json: JSONValue) throws {
        guard let name = json["name"]?.string, let labels = json["labels"]?.object, json["state"] == "ready",
            json["origin"] == "created", let cookie = json["cookie"]?.int
        else { throw TestFailure("no whole namespace: \(json)") }
        self.name = name
        self.labels = labels.compactMapValues(\.string)
        leaseSeconds = json["lease"]?["seconds"]?.int
        self.cookie = cookie
    }

    package var description: String {
        let labels = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        return "\(name ?? "?")[\(labels)] lease \(leaseSeconds ?? 0) cookie \(cookie ?? 0)"
    }

    /// Whether what was seen is this, as far as this is known.
    func matches(_ seen: CrashFacts?) -> Bool {
        guard let seen else { return false }
        return (name == nil || name == seen.name) && (cookie == nil || cookie == seen.cookie) && labels == seen.labels
            && leaseSeconds == seen.leaseSeconds
    }
}

/// One request of the crash driver, with what is there before it and after it.
struct CrashRequest: Sendable, CustomStringConvertible {
    /// What is wholly done or wholly not done; each by the id of the namespaces.
    struct Part: Sendable {
        var before: [String: CrashFacts] = [:]
        var after: [String: CrashFacts] = [:]

        var ids: Set<String> { Set(before.keys).union(after.keys) }
    }

    let method: String
    let path: String
    var body = ""
    var key: String?
    var parts: [Part]
    var status: Int
    /// The statuses of a batch's items.
    var itemStatuses: [Int]?

    var headers: [String] { key.map { ["Idempotency-Key: \($0)"] } ?? [] }
    var description: String { "\(method) \(path) \(body) key \(key ?? "-")" }

    /// What is there by the answer; throws where the answer is not the one that must come.
    func outcome(_ response: HTTPResponse) throws -> [String: CrashFacts] {
        guard response.status == status else { throw TestFailure("\(self): \(response.status) \(response.text)") }
        var told: [CrashFacts] = []
        if let itemStatuses {
            let results = try response.json["results"]?.array ?? []
            guard results.map({ $0["status"]?.int }) == itemStatuses else {
                throw TestFailure("\(self): \(response.text)")
            }
            told = try results.compactMap { $0["namespace"] }.map(CrashFacts.init)
        } else if status < 300, status != 204, method != "DELETE", !path.hasSuffix(":batch") {
            told = [try CrashFacts(response.json)]
        }
        var after = parts.reduce(into: [:]) { all, part in all.merge(part.after) { _, new in new } }
        for facts in told {
            guard let id = facts.labels[CrashFacts.idLabel], after[id]?.matches(facts) ?? false else {
                throw TestFailure("\(self): \(facts) is not what was asked for")
            }
            after[id] = facts
        }
        return after
    }
}
