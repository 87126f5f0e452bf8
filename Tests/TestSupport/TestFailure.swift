/// Says what went wrong in a helper, so that the test fails with it.
package struct TestFailure: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
