import TestSupport
import Testing

@Suite("The schema validator")
struct SchemaValidatorTests {
    /// A schema with a value that it allows and one that it refuses.
    struct Case: Sendable, CustomTestStringConvertible {
        let keyword: String
        let schema: JSONValue
        let allowed: JSONValue
        let refused: JSONValue
        var testDescription: String { keyword }

        init(_ keyword: String, _ schema: JSONValue, allows allowed: JSONValue, refuses refused: JSONValue) {
            self.keyword = keyword
            self.schema = schema
            self.allowed = allowed
            self.refused = refused
        }
    }

    static let cases = [
        Case("type", ["type": "integer"], allows: 1, refuses: .double(1.5)),
        Case("type boolean", ["type": "boolean"], allows: true, refuses: 1),
        Case("several types", ["type": ["string", "null"]], allows: nil, refuses: 1),
        Case("required", ["required": ["a"]], allows: ["a": 1], refuses: ["b": 1]),
        Case("properties", ["properties": ["a": ["type": "string"]]], allows: ["a": "x"], refuses: ["a": 1]),
        Case(
            "additionalProperties", ["properties": ["a": [:]], "additionalProperties": false],
            allows: ["a": 1], refuses: ["a": 1, "b": 2]),
        Case(
            "additionalProperties as a schema",
            ["properties": ["a": ["type": "integer"]], "additionalProperties": ["type": "string"]],
            allows: ["a": 1, "b": "x"], refuses: ["a": 1, "b": 2]),
        Case(
            "additionalProperties: true", ["additionalProperties": true, "maxProperties": 1],
            allows: ["a": 1], refuses: ["a": 1, "b": 1]),
        Case("propertyNames", ["propertyNames": ["pattern": "^[a-z]$"]], allows: ["a": 1], refuses: ["A": 1]),
        Case("maxProperties", ["maxProperties": 1], allows: ["a": 1], refuses: ["a": 1, "b": 2]),
        Case("enum", ["enum": ["up", "down"]], allows: "up", refuses: "left"),
        Case("const", ["const": 409], allows: 409, refuses: 400),
        Case("pattern", ["pattern": "^[a-z]+$"], allows: "abc", refuses: "ab1"),
        Case("minimum", ["minimum": 1], allows: 1, refuses: 0),
        Case("maximum", ["maximum": 1], allows: 1, refuses: 2),
        Case("minLength", ["minLength": 1], allows: "a", refuses: ""),
        Case("maxLength", ["maxLength": 1], allows: "é", refuses: "ab"),
        Case("items", ["items": ["type": "string"]], allows: ["a"], refuses: ["a", 1]),
        Case("minItems", ["minItems": 1], allows: ["a"], refuses: []),
        Case("maxItems", ["maxItems": 1], allows: ["a"], refuses: ["a", "b"]),
        Case("oneOf", ["oneOf": [["minimum": 1], ["maximum": 1]]], allows: 2, refuses: 1),
        Case("anyOf", ["anyOf": [["const": 1], ["const": 2]]], allows: 2, refuses: 3),
        Case("allOf", ["allOf": [["minimum": 1], ["maximum": 3]]], allows: 2, refuses: 4),
        Case("not", ["not": ["const": 1]], allows: 2, refuses: 1),
        Case("$ref", ["$ref": "#/one"], allows: 1, refuses: 2),
        Case(
            "format date-time", ["format": "date-time"], allows: "2026-01-31T12:00:00.123Z",
            refuses: "2026-13-31T12:00:00.123Z"),
    ]

    @Test("A keyword allows what it should and refuses what it should", arguments: cases)
    func keyword(_ example: Case) throws {
        let validator = SchemaValidator(OpenAPIDocument(root: ["one": ["const": 1]]))
        #expect(try validator.failures(of: example.allowed, against: example.schema).isEmpty)
        #expect(try validator.failures(of: example.refused, against: example.schema).isEmpty == false)
    }

    @Test("An unknown keyword and a dangling reference are errors, not passes", arguments: ["patern", "$ref"])
    func brokenSchema(_ keyword: String) {
        let validator = SchemaValidator(OpenAPIDocument(root: [:]))
        #expect(throws: TestFailure.self) {
            try validator.failures(of: 1, against: .object([keyword: "#/none"]))
        }
    }
}
