/// Makes requests that are nearly valid: takes one of every route, method and kind of body, and changes some bytes.
package enum RequestMutator {
    /// A request as it should be; the head's Content-Length is added.
    private struct Template {
        let head: String
        let body: String

        init(_ line: String, _ body: String? = nil, type: String = "application/json", fields: [String] = []) {
            let typed = body == nil ? [] : ["Content-Type: \(type)", "Content-Length: \(body?.utf8.count ?? 0)"]
            let all = ["\(line) HTTP/1.1", "Host: localhost"] + typed + fields
            head = all.joined(separator: "\r\n") + "\r\n\r\n"
            self.body = body ?? ""
        }

        /// With its body in one chunk.
        init(chunked line: String, _ body: String) {
            let fields = ["Host: localhost", "Content-Type: application/json", "Transfer-Encoding: chunked"]
            head = (["\(line) HTTP/1.1"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
            self.body = "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
        }
    }

    private static let item = "/v1/namespaces/a"

    /// No `wait` finds a revision that is not gone, so that none waits.
    private static let templates: [[UInt8]] = [
        Template("GET /healthz"),
        Template("HEAD /readyz", fields: ["X-Request-Id: m1"]),
        Template("GET /v1/version", fields: ["Connection: close"]),
        Template("GET /openapi.yaml"),
        Template("GET http://localhost/v1/host"),
        Template("OPTIONS /v1/namespaces"),
        Template("GET /v1/events?since=7"),
        Template("GET /v1/events?since=1&wait=1", fields: ["Last-Event-ID: 17"]),
        Template("GET /v1/namespaces?limit=10&after=a&state=ready&origin=created&prefix=a"),
        Template("GET /v1/namespaces?label=team%3Dnet&label=x!=y"),
        Template("POST /v1/namespaces"),
        Template("POST /v1/namespaces", #"{"name":"a","loopback":"up","labels":{"team":"net"},"leaseSeconds":60}"#),
        Template("POST /v1/namespaces", #"{"namePrefix":"b\u0061","labels":{"a.b/c":""}}"#),
        Template("POST /v1/namespaces", #"{"from":{"pid":2},"name":"p"}"#),
        Template("POST /v1/namespaces", #"{"from":{"path":"/proc/2/ns/net"}}"#, fields: ["Idempotency-Key: k1"]),
        Template(chunked: "POST /v1/namespaces", #"{"name":"c"}"#),
        Template("DELETE /v1/namespaces?label=team=net&ifUnused=true&dryRun=false"),
        Template(
            "POST /v1/namespaces:batch",
            #"{"atomic":true,"items":[{"name":"d"},{"loopback":"down"},{"from":{"pid":2}}]}"#),
        Template("POST /v1/namespaces:prune?dryRun=true", ""),
        Template("PUT \(item)", #"{"loopback":"down","labels":{"team":"net"}}"#),
        Template("PUT /v1/namespaces/%61", "{}", fields: [#"If-None-Match: W/"a", "b""#]),
        Template("GET \(item)"),
        Template("PATCH \(item)", #"{"labels":{"x":null,"y":"z"},"lease":{"seconds":5}}"#, fields: [#"If-Match: "a""#]),
        Template("PATCH \(item)", #"{"lease":null}"#, type: "application/merge-patch+json"),
        Template("POST \(item)/renew"),
        Template("GET \(item)/processes"),
        Template("DELETE \(item)?ifUnused=false"),
        Template("GET /v1/processes/2/namespace"),
    ].map { Array(($0.head + $0.body).utf8) }

    /// The bytes of 1 to 3 requests for one connection, most of them mutated; the same for the same seed and index.
    package static func exchange(seed: UInt64, index: Int) -> (bytes: [UInt8], requests: Int) {
        var random = SeededGenerator(seed: seed, stream: UInt64(index))
        let requests = Int.random(in: 1...3, using: &random)
        var bytes: [UInt8] = []
        for _ in 0..<requests {
            var request = template(&random)
            // Fewer changes reach deeper; 0 keeps what the ones beside it meet alive.
            for _ in 0..<(Int.random(in: 0...9, using: &random) / 2) { mutate(&request, &random) }
            bytes += request
        }
        return (bytes, requests)
    }

    private static func template(_ random: inout SeededGenerator) -> [UInt8] {
        templates[Int.random(in: 0..<templates.count, using: &random)]
    }

    private static let special =
        Array("\r\n\t\0 :;,/?%&=.#+-*\"\\{}[]0129aAxX".utf8) + [0x01, 0x7f, 0x80, 0xc0, 0xe2, 0xff]

    private static let words = [
        "\r\n", "\r\n\r\n", "\n", "%00", "%2e%2e/", "%2F", "../", "Transfer-Encoding: chunked\r\n",
        "Content-Length: 0\r\n", "Host: b\r\n", "Expect: 100-continue\r\n", "null", "1e999", "-1",
        "9223372036854775808", "\\ud800", "\u{feff}",
        "18446744073709551616", "HTTP/1.0", "HTTP/2.0", " \r\n x", "ffffffffffffffff\r\n", "[[[[[[[[", "{\"a\":",
    ].map { Array($0.utf8) }

    private static func mutate(_ request: inout [UInt8], _ random: inout SeededGenerator) {
        guard !request.isEmpty else { return }
        let index = Int.random(in: 0..<request.count, using: &random)
        let range = index..<min(request.count, index + Int.random(in: 1...24, using: &random))
        switch Int.random(in: 0..<10, using: &random) {
        case 0: request[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: request[index] = .random(in: 0...255, using: &random)
        case 2: request[index] = special[Int.random(in: 0..<special.count, using: &random)]
        case 3: request.insert(special[Int.random(in: 0..<special.count, using: &random)], at: index)
        case 4: request.remove(at: index)
        case 5: request.removeSubrange(range)
        case 6: request.insert(contentsOf: words[Int.random(in: 0..<words.count, using: &random)], at: index)
        case 7:
            // Now and then far over what any header may have.
            let times = Int.random(in: 0..<50, using: &random) == 0 ? 2000 : Int.random(in: 1...8, using: &random)
            request.insert(contentsOf: [[UInt8]](repeating: Array(request[range]), count: times).joined(), at: index)
        case 8:
            let other = template(&random)
            let start = Int.random(in: 0..<other.count, using: &random)
            request.replaceSubrange(range, with: other[start..<min(other.count, start + range.count)])
        default: request.removeSubrange(index...)
        }
    }
}
