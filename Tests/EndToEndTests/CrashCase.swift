import LinuxKit
import Testing

/// A request that the daemon dies in, at one point, and what becomes of it.
struct CrashCase: Sendable, CustomTestStringConvertible {
    let point: CrashPoint
    let method: String
    let path: String
    var body: String?
    var key: String?
    /// What is made before.
    var before: [(path: String, body: String)] = []
    /// Whether another tool's namespace `ext` is there before.
    var hasExternal = false
    /// What may be there after the restart: each namespace with the value of its label `v`, or its origin without one.
    let left: [[String: String]]
    /// How the same request is answered then, and what is there after it.
    let retryStatus: Int
    let after: [String: String]
    /// The wires after the request was made again; before that there is none.
    var wiresAfter: [String] = []

    var testDescription: String { "\(point.rawValue): \(method) \(path) \(body ?? "") \(key ?? "")" }

    static let all = creates + keyed + batches + deletes + patches + adoptions + wires

    private static let collection = "/v1/namespaces"
    private static let a = "/v1/namespaces/a"
    private static let one = #"{"name":"a","labels":{"v":"1"}}"#
    private static let made = ["a": "1"]
    private static let existing = [(path: a, body: #"{"labels":{"v":"1"}}"#)]

    private static let creates = [
        post(.recordWritten, left: [:], 201), post(.fileCreated, left: [:], 201),
        post(.namespaceMounted, left: made, 409),
        CrashCase(
            point: .namespaceMounted, method: "PUT", path: a, body: #"{"labels":{"v":"1"}}"#, left: [made],
            retryStatus: 200, after: made),
    ]

    private static let keyed = [
        post(.recordWritten, key: "k", left: [:], 201), post(.fileCreated, key: "k", left: [:], 201),
        post(.namespaceMounted, key: "k", left: made, 201), post(.answerUnsaved, key: "k", left: made, 201),
        // The first answer is a refusal, and nothing is left that could tell of it.
        CrashCase(
            point: .answerUnsaved, method: "POST", path: collection, body: #"{"name":"a"}"#, key: "k",
            before: existing, left: [made], retryStatus: 409, after: made),
    ]

    private static func post(
        _ point: CrashPoint, key: String? = nil, left: [String: String], _ retryStatus: Int
    ) -> CrashCase {
        CrashCase(
            point: point, method: "POST", path: collection, body: one, key: key, left: [left],
            retryStatus: retryStatus, after: made)
    }

    private static let names = (0..<20).map { "n\($0)" }
    private static let whole = Dictionary(uniqueKeysWithValues: names.map { ($0, "1") })

    /// An atomic batch is undone before its commit, and stays after it; of another one, every item is done or undone.
    private static let batches =
        [CrashPoint.recordWritten, .fileCreated, .namespaceMounted, .batchStarted, .batchUncommitted].flatMap {
            [batch($0, left: [:]), batch($0, key: "k", left: [:])]
        } + [
            batch(.answerUnsaved, key: "k", left: whole), batch(.answerUnsaved, key: "k", isAtomic: false, left: whole),
        ]

    private static func batch(
        _ point: CrashPoint, key: String? = nil, isAtomic: Bool = true, left: [String: String]
    ) -> CrashCase {
        let items = names.map { "{\"name\":\"\($0)\",\"loopback\":\"down\",\"labels\":{\"v\":\"1\"}}" }
        return CrashCase(
            point: point, method: "POST", path: collection + ":batch",
            body: "{\"items\":[\(items.joined(separator: ","))],\"atomic\":\(isAtomic)}", key: key, left: [left],
            retryStatus: 200, after: whole)
    }

    private static let deletes = [
        CrashCase(
            point: .namespaceDetached, method: "DELETE", path: a, before: existing, left: [[:]], retryStatus: 404,
            after: [:]),
        CrashCase(
            point: .fileUnlinked, method: "DELETE", path: a, before: existing, left: [[:]], retryStatus: 404,
            after: [:]),
        CrashCase(
            point: .namespaceDetached, method: "DELETE", path: collection + "?label=v", before: existing, left: [[:]],
            retryStatus: 200, after: [:]),
        CrashCase(
            point: .namespaceDetached, method: "DELETE", path: "/v1/namespaces/ext", hasExternal: true, left: [[:]],
            retryStatus: 404, after: [:]),
        CrashCase(
            point: .fileUnlinked, method: "DELETE", path: "/v1/namespaces/ext", hasExternal: true, left: [[:]],
            retryStatus: 404, after: [:]),
    ]

    private static let patches = [
        patch(.patchUnwritten, left: ["a": "1", "ext": "external"]),
        patch(.patchWritten, left: ["a": "2", "ext": "external"]),
        patchExternal(.patchUnwritten, left: ["ext": "external"]), patchExternal(.patchWritten, left: ["ext": "2"]),
    ]

    private static func patch(_ point: CrashPoint, left: [String: String]) -> CrashCase {
        CrashCase(
            point: point, method: "PATCH", path: a, body: #"{"labels":{"v":"2"}}"#, before: existing,
            hasExternal: true, left: [left], retryStatus: 200, after: ["a": "2", "ext": "external"])
    }

    private static func patchExternal(_ point: CrashPoint, left: [String: String]) -> CrashCase {
        CrashCase(
            point: point, method: "PATCH", path: "/v1/namespaces/ext", body: #"{"labels":{"v":"2"}}"#,
            hasExternal: true, left: [left], retryStatus: 200, after: ["ext": "2"])
    }

    private static let adoptions = [
        adoption(.recordWritten, left: ["ext": "external"], 201),
        adoption(.fileCreated, left: ["ext": "external"], 201),
        adoption(.namespaceMounted, left: ["a": "1", "ext": "external"], 409),
    ]

    private static func adoption(_ point: CrashPoint, left: [String: String], _ retryStatus: Int) -> CrashCase {
        CrashCase(
            point: point, method: "POST", path: collection,
            body: #"{"name":"a","labels":{"v":"1"},"from":{"path":"$NETNS/ext"}}"#, hasExternal: true, left: [left],
            retryStatus: retryStatus, after: ["a": "1", "ext": "external"])
    }

    private static let wires = [CrashPoint.wireUnmade, .wireMade].flatMap { [wire($0, to: "a"), wire($0, to: "b")] }

    /// Between two namespaces, or two links of one.
    private static func wire(_ point: CrashPoint, to other: String) -> CrashCase {
        let labels = ["a": "1", "b": "1"]
        return CrashCase(
            point: point, method: "POST", path: "/v1/wires",
            body: """
                {"id":"w","a":{"namespace":"a","link":"x","addresses":["10.0.0.1/24"]},
                "b":{"namespace":"\(other)","link":"y","addresses":["10.0.0.2/24"]},
                "impairment":{"aToB":{"rateBitsPerSecond":1000000}}}
                """,
            before: labels.keys.sorted().map { (path: "/v1/namespaces/\($0)", body: #"{"labels":{"v":"1"}}"#) },
            left: [labels], retryStatus: 201, after: labels, wiresAfter: ["w"])
    }
}
