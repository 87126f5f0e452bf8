/// Holds what the daemon answered against its description.
package struct ExchangeValidator: Sendable {
    private let document: OpenAPIDocument
    private let schemas: SchemaValidator

    /// Validates against `document`.
    package init(_ document: OpenAPIDocument) {
        self.document = document
        schemas = SchemaValidator(document)
    }

    /// What is wrong with an exchange; empty when nothing is.
    package func failures(method: String, path: String, response: HTTPResponse) throws -> [String] {
        let place = "\(method) \(path) → \(response.status)"
        guard let description = try describedResponse(method: method, path: path, status: response.status) else {
            return ["\(place): undocumented status; \(response.text.prefix(500))"]
        }
        return try headerFailures(of: response, described: description, at: place)
            + bodyFailures(of: response, described: description, toHead: method == "HEAD", at: place)
    }

    /// What is wrong with an event's data.
    package func eventFailures(of event: JSONValue) throws -> [String] {
        try schemas.failures(of: event, against: document.target(of: "#/components/schemas/Event"), at: "event")
    }

    /// HEAD is as GET; OPTIONS, unknown paths and unknown methods are described once for all.
    private func describedResponse(method: String, path: String, status: Int) throws -> JSONValue? {
        let common = document.root["components"]?["responses"]
        if status == 414 { return common?["TargetTooLong"] }
        if status == 431 { return common?["HeadersTooLarge"] }
        if status == 400, try isMalformed(path) { return common?["BadNameOrBody"] }
        let refusal = [401: "Unauthenticated", 403: "Forbidden"][status].flatMap { common?[$0] }
        guard let (_, item) = document.template(for: path) else {
            return status == 404 ? common?["RouteNotFound"] : refusal
        }
        if method == "OPTIONS", status == 204 { return common?["NoContent"] }
        let operation = item[(method == "HEAD" ? "GET" : method).lowercased()]
        guard let operation else { return status == 405 ? common?["MethodNotAllowed"] : refusal }
        return try document.resolve(operation["responses"]?[String(status)])
    }

    /// Whether no template can be told for the path, since it is not properly encoded.
    private func isMalformed(_ path: String) throws -> Bool {
        path.contains("%") || path.contains("/.") || path.contains("//")
    }

    private func headerFailures(
        of response: HTTPResponse, described: JSONValue, at place: String
    ) throws -> [String] {
        var failures: [String] = []
        for (name, reference) in described["headers"]?.object ?? [:] {
            guard let header = try document.resolve(reference) else { continue }
            if let value = response.headers[name.lowercased()] {
                failures += try schemas.failures(
                    of: .string(value), against: header["schema"] ?? [:], at: "\(place) \(name)")
            } else if header["required"] == true {
                failures.append("\(place): no \(name)")
            }
        }
        for name in ["location", "allow", "retry-after", "etag", "idempotent-replayed", "www-authenticate"]
        where response.headers[name] != nil {
            let isDescribed = described["headers"]?.object?.keys.contains { $0.lowercased() == name } ?? false
            if !isDescribed { failures.append("\(place): undocumented \(name)") }
        }
        let isRetried = [429, 503].contains(response.status) || response.problem == "idempotency-in-progress"
        if isRetried != (response.headers["retry-after"] != nil) {
            failures.append("\(place): Retry-After where there is none, or none where there is")
        }
        if response.headers["server"]?.hasPrefix("netnsd/") != true { failures.append("\(place): no Server") }
        return failures
    }

    private func bodyFailures(
        of response: HTTPResponse, described: JSONValue, toHead: Bool, at place: String
    ) throws -> [String] {
        let contents = described["content"]?.object ?? [:]
        if contents.isEmpty { return response.body.isEmpty ? [] : ["\(place): undocumented body"] }
        guard let type = response.headers["content-type"], let content = contents[type] else {
            return ["\(place): content type \(response.headers["content-type"] ?? "missing")"]
        }
        if toHead { return response.body.isEmpty ? [] : ["\(place): a body to HEAD"] }
        // What a stream has sent so far, perhaps nothing, is not a whole document.
        if type == "text/event-stream" { return [] }
        guard type.hasSuffix("json") else { return response.body.isEmpty ? ["\(place): no body"] : [] }
        guard let value = try? response.json else { return ["\(place): not JSON: \(response.text.prefix(500))"] }
        var failures = try schemas.failures(of: value, against: content["schema"] ?? [:], at: place)
        if response.body.last != UInt8(ascii: "\n") { failures.append("\(place): no newline at the end") }
        // A replayed answer is the first one to the letter, and so is its instance.
        let isReplayed = response.headers["idempotent-replayed"] != nil
        if type == "application/problem+json", !isReplayed,
            value["instance"]?.string != response.headers["x-request-id"]
        {
            failures.append("\(place): instance is not the request's id")
        }
        return failures
    }
}
