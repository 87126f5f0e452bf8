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
        #expect(identifiers.count == 10)
    }

    @Test("Every response has X-Request-Id, every 503 Retry-After, every 201 Location")
    func headers() throws {
        for (path, method, operation) in operationList() {
            for (status, response) in operation["responses"]?.object ?? [:] {
                let headers = try document.resolve(response)?["headers"]
                #expect(headers?["X-Request-Id"] != nil, "\(method) \(path) \(status)")
                #expect((headers?["Retry-After"] != nil) == (status == "503"), "\(method) \(path) \(status)")
                #expect((headers?["Location"] != nil) == (status == "201"), "\(method) \(path) \(status)")
            }
        }
    }

    @Test("Every object is closed, and requires nothing it does not describe")
    func closedObjects() throws {
        var count = 0
        try walk(document.root) { value, place in
            guard value["type"] == "object" else { return }
            count += 1
            #expect(value["additionalProperties"] == false, "\(place)")
            for key in value["required"]?.array ?? [] {
                #expect(value["properties"]?[key.string ?? ""] != nil, "\(place)")
            }
        }
        #expect(count >= 12)
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
        #expect(count > 20)
    }

    @Test("Every component is used")
    func usedComponents() throws {
        var used: Set<String> = []
        try walk(document.root) { value, _ in
            if let reference = value["$ref"]?.string { used.insert(reference) }
        }
        let common = ["RouteNotFound", "MethodNotAllowed", "NoContent"].map { "#/components/responses/\($0)" }
        for (kind, components) in document.root["components"]?.object ?? [:] {
            for name in components.object?.keys.sorted() ?? [] {
                let reference = "#/components/\(kind)/\(name)"
                #expect(used.contains(reference) || common.contains(reference), "\(reference)")
            }
        }
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
