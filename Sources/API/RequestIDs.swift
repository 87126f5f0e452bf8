import HTTPTypes
import MicroHTTP
import Synchronization

/// Names requests, so that an answer, its problem document and the log can be brought together.
final class RequestIDs: Sendable {
    /// Tells this run of the daemon from others in a log.
    private let run = UInt64.random(in: 0...UInt64.max)
    private let count = Atomic<UInt64>(0)

    /// The client's own id where it sent an acceptable one, else a new one.
    func identifier(for request: Request) -> String {
        if let sent = request.headerFields[.requestID], Self.isAcceptable(sent) { return sent }
        return next()
    }

    /// A new one.
    func next() -> String { Self.name(run: run, count: count.add(1, ordering: .relaxed).newValue) }

    /// Five digits of the run and nine of the count, to the base 36, so that ids sort as they were given: enough for
    /// decades of a hundred thousand requests a second, and as many as a string holds without memory besides itself.
    static func name(run: UInt64, count: UInt64) -> String {
        unsafe String(unsafeUninitializedCapacity: 15) { bytes in
            var (run, count) = (run, count)
            for index in stride(from: 4, through: 0, by: -1) { unsafe bytes[index] = digit(takenFrom: &run) }
            unsafe bytes[5] = UInt8(ascii: "-")
            for index in stride(from: 14, through: 6, by: -1) { unsafe bytes[index] = digit(takenFrom: &count) }
            return 15
        }
    }

    private static func digit(takenFrom number: inout UInt64) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: number % 36)
        number /= 36
        return value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") - 10 + value
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
