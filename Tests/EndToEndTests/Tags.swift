import Testing

extension Tag {
    /// Runs the built daemon on the real kernel, as root.
    @Tag static var endToEnd: Self
}
