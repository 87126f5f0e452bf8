import HTTPTypes
import MicroHTTP
import Synchronization

extension HTTPField.Name {
    static let requestID = {
        guard let name = HTTPField.Name("X-Request-Id") else { preconditionFailure("a token is a field name") }
        return name
    }()
}

/// Names requests, so that an answer, its problem document and the log can be brought together.
final class RequestIDs: Sendable {
    /// Tells this run of the daemon from others in a log; with the hyphen behind it.
    private let run = {
        let digits = String(UInt32.random(in: 0...UInt32.max), radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits + "-"
    }()
    private let count = Atomic<UInt64>(0)

    /// The client's own id where it sent an acceptable one, else a new one.
    func identifier(for request: Request) -> String {
        if let sent = request.headerFields[.requestID], Self.isAcceptable(sent) { return sent }
        return run + String(count.add(1, ordering: .relaxed).newValue)
    }

    /// `[A-Za-z0-9._-]{1,128}`: nothing that could forge a line in a log.
    private static func isAcceptable(_ identifier: String) -> Bool {
        (1...128).contains(identifier.utf8.count)
            && identifier.unicodeScalars.allSatisfy {
                ("a"..."z").contains($0) || ("A"..."Z").contains($0) || ("0"..."9").contains($0) || $0 == "."
                    || $0 == "_" || $0 == "-"
            }
    }
}
