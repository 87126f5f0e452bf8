public import HTTPTypes

// What HTTPTypes has no names for.
extension HTTPField.Name {
    /// In HTTP/1 a field like any other.
    public static let host = token("Host")
    /// What a request is called in its answer, and may be called by who sends it.
    public static let requestID = token("X-Request-Id")

    /// The name that is written in the program.
    package static func token(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("a token is a field name") }
        return name
    }
}
