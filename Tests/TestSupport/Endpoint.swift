/// Where a daemon listens.
package enum Endpoint: Sendable {
    case unix(String)
    case tcp(UInt16)
}
