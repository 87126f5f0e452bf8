/// What this build calls itself.
package enum Version {
    /// The release (semantic versioning).
    package static let current = "0.1.0"
    /// The API's major version, which is also the prefix of its paths.
    package static let api = "v1"
}
