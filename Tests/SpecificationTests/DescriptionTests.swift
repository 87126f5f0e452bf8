import TestSupport
import Testing

@Suite("The description")
struct DescriptionTests {
    private let document: OpenAPIDocument
    private static let methods = ["get", "put", "post", "delete", "patch"]

    init() throws { document = try OpenAPIDocument() }

    @Test("Every reference resolves")
    func references() throws {
        var count = 0
        try walk(document.root) { value, _ in
            guard let reference = value["$ref"]?.string else { return }
            _ = try document.target(of: reference)
            count += 1
        }
        #expect(count > 50)
    }

    @Test("Every operation has an id of its own, a tag, a summary and a described failure")
    func operations() throws {
        var identifiers: Set<String> = []
        for (path, method, operation) in operationList() {
            let identifier = try #require(operation["operationId"]?.string, "\(method) \(path)")
            #expect(identifiers.insert(identifier).inserted, "\(identifier) twice")
            #expect(operation["tags"]?.array?.isEmpty == false, "\(identifier)")
            #expect(operation["summary"]?.string?.isEmpty == false, "\(identifier)")
            let responses = try #require(operation["responses"]?.object)
            #expect(responses.keys.contains { $0.hasPrefix("2") }, "\(identifier)")
            let failures = responses.filter { $0.key >= "400" }
            #expect(!failures.isEmpty, "\(identifier)")
            for (status, response) in failures {
                let response = try document.resolve(response)
                let schema = response?["content"]?["application/problem+json"]?["schema"]
                #expect(schema?["allOf"]?[0]?["$ref"] == "#/components/schemas/Problem", "\(identifier) \(status)")
                #expect(
                    schema?["allOf"]?[1]?["properties"]?["status"]?["const"]?.int.map(String.init) == status,
                    "\(identifier) \(status)")
            }
        }
        #expect(identifiers.count == 58)
    }

    @Test("Every operation may find the request malformed, its body too long and the daemon stopping")
    func commonFailures() {
        for (path, method, operation) in operationList() {
            for status in ["400", "413", "503"] {
                #expect(operation["responses"]?[status] != nil, "\(method) \(path) \(status)")
            }
            let hasBody = operation["requestBody"] != nil
            let isWrite = ["post", "put", "patch"].contains(method)
            #expect(!hasBody || operation["responses"]?["422"] != nil, "\(method) \(path)")
            #expect(isWrite == (operation["responses"]?["415"] != nil), "\(method) \(path)")
        }
    }

    /// Collections of what has no path of its own, so that the answer to its creation has none to tell.
    private static let entries = ["addresses", "routes", "neighbours", "rules"]

    @Test("Every response has X-Request-Id, every 429, 503 and key in progress Retry-After, every 201 Location")
    func headers() throws {
        for (path, method, operation) in operationList() {
            for (status, response) in operation["responses"]?.object ?? [:] {
                let headers = try document.resolve(response)?["headers"]
                #expect(headers?["X-Request-Id"] != nil, "\(method) \(path) \(status)")
                let isRetried =
                    try ["429", "503"].contains(status) || problems(of: response).contains("idempotency-in-progress")
                #expect((headers?["Retry-After"] != nil) == isRetried, "\(method) \(path) \(status)")
                let isLocated = status == "201" && !Self.entries.contains { path.hasSuffix("/" + $0) }
                #expect((headers?["Location"] != nil) == isLocated, "\(method) \(path) \(status)")
            }
        }
    }

    @Test("Every answer that is one namespace has an ETag, and no other")
    func entityTags() throws {
        for (path, method, operation) in operationList() {
            for (status, response) in operation["responses"]?.object ?? [:] {
                let response = try document.resolve(response)
                let schema = response?["content"]?["application/json"]?["schema"]
                let reference = schema?["$ref"] ?? schema?["allOf"]?[0]?["$ref"]
                #expect(
                    (response?["headers"]?["ETag"] != nil) == (reference == "#/components/schemas/Namespace"),
                    "\(method) \(path) \(status)")
            }
        }
    }

    @Test("What takes an Idempotency-Key says what becomes of it, and no other does")
    func idempotency() throws {
        var count = 0
        for (path, method, operation) in operationList() {
            let takesKey = try (operation["parameters"]?.array ?? []).contains {
                try document.resolve($0)?["name"] == "Idempotency-Key"
            }
            if takesKey { count += 1 }
            for (status, response) in operation["responses"]?.object ?? [:] {
                let codes = try problems(of: response)
                let place = Comment(rawValue: "\(method) \(path) \(status)")
                #expect(codes.contains("idempotency-in-progress") == (takesKey && status == "409"), place)
                #expect(codes.contains("idempotency-key-reused") == (takesKey && status == "422"), place)
                let isKept = ["200", "201", "409", "422"].contains(status)
                let headers = try document.resolve(response)?["headers"]
                #expect((headers?["Idempotent-Replayed"] != nil) == (takesKey && isKept), place)
            }
        }
        #expect(count == 3)
    }

    @Test("Every type of problem is some answer's, or an item's")
    func problemTypes() throws {
        var used: Set<String> = []
        for (_, _, operation) in operationList() {
            for response in operation["responses"]?.object?.values.map({ $0 }) ?? [] {
                used.formUnion(try problems(of: response))
            }
        }
        for response in document.root["components"]?["responses"]?.object?.values.map({ $0 }) ?? [] {
            used.formUnion(try problems(of: response))
        }
        let types = document.root["components"]?["schemas"]?["ProblemType"]?["enum"]?.array ?? []
        #expect(Set(types.compactMap(\.string).map(Self.code)) == used)
        #expect(types.count == used.count)
    }

    @Test("Every object is closed, and requires nothing it does not describe")
    func closedObjects() throws {
        var count = 0
        var maps = 0
        try walk(document.root) { value, place in
            let types = value["type"]?.array ?? [value["type"] ?? .null]
            // The description of descriptions is OpenAPI's own.
            guard types.contains("object"), !place.contains("/openapi.yaml/") else { return }
            count += 1
            if let others = value["additionalProperties"], others.object != nil {
                // A map of strings is closed in its own way: by its keys, its values and its size.
                let types = others["type"]?.array ?? [others["type"] ?? .null]
                #expect(types.contains("string") && types.allSatisfy { ["string", "null"].contains($0) }, "\(place)")
                #expect(others["pattern"] != nil && value["propertyNames"] != nil, "\(place)")
                #expect(value["properties"] == nil, "\(place)")
                maps += 1
            } else {
                #expect(value["additionalProperties"] == false, "\(place)")
            }
            for key in value["required"]?.array ?? [] {
                #expect(value["properties"]?[key.string ?? ""] != nil, "\(place)")
            }
        }
        #expect(count >= 30)
        #expect(maps == 4)
    }

    @Test("Every example is valid")
    func examples() throws {
        let validator = SchemaValidator(document)
        var count = 0
        try walk(document.root) { value, place in
            if let schema = value["schema"] {
                var examples = value["examples"]?.object?.values.compactMap { $0["value"] } ?? []
                if let example = value["example"] { examples.append(example) }
                for example in examples {
                    count += 1
                    let failures = try validator.failures(of: example, against: schema)
                    #expect(failures.isEmpty, "\(place)")
                }
            } else if value["type"] != nil, let examples = value["examples"]?.array {
                for example in examples {
                    count += 1
                    let failures = try validator.failures(of: example, against: value)
                    #expect(failures.isEmpty, "\(place)")
                }
            }
        }
        #expect(count > 60)
    }

    @Test("Labels are described with the limits of Kubernetes")
    func labels() throws {
        let validator = SchemaValidator(document)
        let long = String(repeating: "a", count: 63)
        let prefix = [long, long, long, String(repeating: "a", count: 61)].joined(separator: ".")
        let keys = ["a", "A.b_c-9", long, "example.com/a", "a-b/" + long, prefix + "/a"]
        let noKeys = [
            "", "-a", "a-", "a b", "a/", "/a", "a/b/c", "Example.com/a", "a..b/c", "é", long + "a", prefix + "a/a",
        ]
        for key in keys + noKeys {
            let failures = try validator.failures(
                of: .object([key: ""]), against: document.target(of: "#/components/schemas/Labels"))
            #expect(failures.isEmpty == keys.contains(key), "\(key)")
        }
        for (value, isAllowed) in [("", true), (long, true), (long + "a", false), ("-", false), ("a/b", false)] {
            let failures = try validator.failures(
                of: ["a": .string(value)], against: document.target(of: "#/components/schemas/Labels"))
            #expect(failures.isEmpty == isAllowed, "\(value)")
        }
    }

    @Test("Every component is used")
    func usedComponents() throws {
        var used: Set<String> = []
        try walk(document.root) { value, _ in
            if let reference = value["$ref"]?.string { used.insert(reference) }
        }
        for requirement in document.root["security"]?.array ?? [] {
            used.formUnion((requirement.object ?? [:]).keys.map { "#/components/securitySchemes/\($0)" })
        }
        let common = ["RouteNotFound", "MethodNotAllowed", "NoContent", "TargetTooLong", "HeadersTooLarge"]
            .map { "#/components/responses/\($0)" }
        for (kind, components) in document.root["components"]?.object ?? [:] {
            for name in components.object?.keys.sorted() ?? [] {
                let reference = "#/components/\(kind)/\(name)"
                #expect(used.contains(reference) || common.contains(reference), "\(reference)")
            }
        }
    }

    /// The codes of the problem documents that a response can have.
    private func problems(of response: JSONValue) throws -> Set<String> {
        let schema = try document.resolve(response)?["content"]?["application/problem+json"]?["schema"]
        let type = schema?["allOf"]?[1]?["properties"]?["type"]
        let types = type?["enum"]?.array ?? [type?["const"]].compactMap { $0 }
        return Set(types.compactMap(\.string).map(Self.code))
    }

    private static func code(_ type: String) -> String {
        type.replacing("urn:netnsd:problem:", with: "")
    }

    private func operationList() -> [(path: String, method: String, operation: JSONValue)] {
        (document.root["paths"]?.object ?? [:]).flatMap { path, item in
            Self.methods.compactMap { method in item[method].map { (path, method, $0) } }
        }
    }

    private func walk(
        _ value: JSONValue, at place: String = "#", _ visit: (JSONValue, String) throws -> Void
    ) throws {
        try visit(value, place)
        for (key, member) in value.object ?? [:] { try walk(member, at: "\(place)/\(key)", visit) }
        for (index, item) in (value.array ?? []).enumerated() { try walk(item, at: "\(place)/\(index)", visit) }
    }
}
