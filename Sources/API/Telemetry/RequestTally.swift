import HTTPTypes
import LinuxKit
import Synchronization

/// Requests, counted by route, method and status, with how long their answers took.
///
/// The places are fixed from the start, so that a client can make no new ones; counting is a few comparisons and two
/// relaxed additions.
final class RequestTally: Sendable {
    /// One route and method.
    private final class Cell: Sendable {
        /// Each made when its status is first counted, retained here, and never replaced. An `AtomicLazyReference` is the
        /// same, but its `load` is not specialized, and takes hundreds of instructions.
        private let statuses = InlineArray<30, Atomic<Unmanaged<DurationTally>?>> { _ in unsafe Atomic(nil) }

        deinit {
            for place in statuses.indices { unsafe statuses[place].load(ordering: .acquiring)?.release() }
        }

        var places: Range<Int> { statuses.indices }

        /// nil for a status that has not been counted.
        func tally(at place: Int) -> DurationTally? {
            unsafe statuses[place].load(ordering: .acquiring)?.takeUnretainedValue()
        }

        func makeTally(at place: Int) -> DurationTally {
            let tally = DurationTally()
            let made = unsafe Unmanaged.passRetained(tally)
            let (isStored, former) = unsafe statuses[place].compareExchange(
                expected: nil, desired: made, ordering: .acquiringAndReleasing)
            if isStored { return tally }
            unsafe made.release()
            return unsafe former?.takeUnretainedValue() ?? tally
        }
    }

    /// One route, method and status that has been counted.
    struct Series {
        let route: String
        let method: String
        let status: String
        let reading: DurationTally.Reading
    }

    private static let methods: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete, .head, .options]
    /// The statuses that an answer can have; any other is counted as `other`.
    private static let statuses = [
        200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 417, 421, 422,
        428, 429, 431, 500, 501, 503, 505,
    ]
    /// What is counted for a path that is no route's.
    static let unmatched = "unmatched"
    private static let other = "other"

    private let patterns: [String]
    private let cells: [Cell]
    /// The place of each status.
    private let places: [UInt8]
    private let inFlight = Atomic<Int>(0)

    init(patterns: [String]) {
        self.patterns = patterns
        cells = (0..<(patterns.count + 1) * (Self.methods.count + 1)).map { _ in Cell() }
        var places = [UInt8](repeating: UInt8(Self.statuses.count), count: 600)
        for (place, status) in Self.statuses.enumerated() { places[status] = UInt8(place) }
        self.places = places
    }

    /// How many requests are being answered.
    var answering: Int { inFlight.load(ordering: .relaxed) }

    func answerBegan() { inFlight.add(1, ordering: .relaxed) }
    func answerEnded() { inFlight.subtract(1, ordering: .relaxed) }

    /// - Parameter route: The route's place among the patterns, nil for a path that has none.
    func add(route: Int?, method: HTTPRequest.Method, status: Int, nanoseconds: UInt64) {
        tally(route: route, method: method, status: status).add(nanoseconds: nanoseconds)
    }

    /// Where the answers to such requests are counted.
    func tally(route: Int?, method: HTTPRequest.Method, status: Int) -> DurationTally {
        let methodPlace = Self.methods.firstIndex(of: method) ?? Self.methods.count
        let cell = cells[(route ?? patterns.count) * (Self.methods.count + 1) + methodPlace]
        let place = places.indices.contains(status) ? Int(places[status]) : Self.statuses.count
        return cell.tally(at: place) ?? cell.makeTally(at: place)
    }

    /// What the route is called where it is told of.
    func name(ofRoute route: Int?) -> String { route.map { patterns[$0] } ?? Self.unmatched }

    /// What the method is called where it is told of, which is nothing that a client could choose.
    static func name(of method: HTTPRequest.Method) -> String { methods.contains(method) ? method.rawValue : other }

    /// What has been counted, the routes in their order.
    var series: [Series] {
        var series: [Series] = []
        let width = Self.methods.count + 1
        for (number, cell) in cells.enumerated() {
            for place in cell.places {
                guard let tally = cell.tally(at: place) else { continue }
                let (route, method) = (number / width, number % width)
                series.append(
                    Series(
                        route: name(ofRoute: route < patterns.count ? route : nil),
                        method: method < Self.methods.count ? Self.methods[method].rawValue : Self.other,
                        status: place < Self.statuses.count ? String(Self.statuses[place]) : Self.other,
                        reading: tally.reading))
            }
        }
        return series
    }
}
