import HTTPTypes
import MicroHTTP
import Synchronization
import Testing

@testable import API
@testable import NamespaceCore

@Suite("Recent answers") struct RecentAnswersTests {
    private final class Clock: Sendable {
        let moment: Mutex<NamespaceManager.Moment?>
        let nanoseconds = Atomic<UInt64>(1)

        var answers: RecentAnswers {
            RecentAnswers(
                now: { self.moment.withLock(\.self) }, clock: { self.nanoseconds.load(ordering: .relaxed) })
        }

        func advance(by nanoseconds: UInt64) { self.nanoseconds.add(nanoseconds, ordering: .relaxed) }

        init(_ changes: UInt64?) { moment = Mutex(Clock.moment(changes)) }

        static func moment(_ changes: UInt64?) -> NamespaceManager.Moment? {
            changes.map { .init(changes: $0, revision: .start(at: Timestamp(milliseconds: 1))) }
        }

        func move(to changes: UInt64?) { moment.withLock { $0 = Clock.moment(changes) } }
    }

    private func target(_ path: String) throws -> RequestTarget { try RequestTarget(parsing: path.utf8) }

    private func body(_ recollection: RecentAnswers.Recollection) -> String? {
        guard case .answer(let response) = recollection, case .bytes(let bytes) = response.body else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("an answer is given again until something changes, and to nobody who asks for something else")
    func recalled() throws {
        let clock = Clock(1)
        let recent = clock.answers
        let (a, b) = (try target("/a?x=1"), try target("/a?x=2"))
        guard case .unknown(let moment) = recent.recall(a) else {
            Issue.record("it knows an answer that nobody has given")
            return
        }
        recent.keep(Response(status: .ok, body: Array("1".utf8)), to: a, since: moment)
        #expect(body(recent.recall(a)) == "1")
        #expect(body(recent.recall(b)) == nil)
        clock.move(to: 2)
        #expect(body(recent.recall(a)) == nil)
        // What was begun before the change may be what was before it.
        recent.keep(Response(status: .ok, body: Array("1".utf8)), to: a, since: moment)
        #expect(body(recent.recall(a)) == nil)
        clock.move(to: nil)
        guard case .unknowable = recent.recall(a) else {
            Issue.record("something is kept although changes go unnoticed")
            return
        }
    }

    @Test("an answer lasts a second, and failures and large answers none")
    func bounded() throws {
        let clock = Clock(1)
        let recent = clock.answers
        let (a, b, c) = (try target("/a"), try target("/b"), try target("/c"))
        guard case .unknown(let moment) = recent.recall(a) else {
            Issue.record("it knows an answer that nobody has given")
            return
        }
        recent.keep(Response(status: .ok, body: [0x61]), to: a, since: moment)
        recent.keep(Response(status: .notFound), to: b, since: moment)
        recent.keep(
            Response(status: .ok, body: [UInt8](repeating: 0, count: RecentAnswers.mostBytes + 1)), to: c, since: moment
        )
        #expect(body(recent.recall(a)) == "a")
        #expect(body(recent.recall(b)) == nil)
        #expect(body(recent.recall(c)) == nil)
        clock.advance(by: RecentAnswers.longest)
        #expect(body(recent.recall(a)) == nil)
        #expect(body(recent.recall(a)) == nil)
        for number in 0..<2 * RecentAnswers.mostEntries {
            recent.keep(Response(status: .ok, body: [0x62]), to: try target("/\(number)"), since: moment)
        }
        #expect(body(recent.recall(a)) == nil)
        #expect(body(recent.recall(try target("/\(2 * RecentAnswers.mostEntries - 1)"))) == "b")
    }

    @Test("Shortly before an answer is too old one request is sent for another, and the others still get it")
    func renewed() throws {
        let clock = Clock(1)
        let recent = clock.answers
        let a = try target("/a")
        guard case .unknown(let moment) = recent.recall(a) else {
            Issue.record("it knows an answer that nobody has given")
            return
        }
        // Many times what there is room for, if each were counted.
        let padding = String(repeating: " ", count: RecentAnswers.mostBytes / 4)
        for number in 0..<8 {
            recent.keep(Response(status: .ok, body: [0x62]), to: try target("/b"), since: moment)
            recent.keep(Response(status: .ok, body: Array("\(number)\(padding)".utf8)), to: a, since: moment)
            clock.advance(by: RecentAnswers.renewalAge - 1)
            #expect(body(recent.recall(a))?.first == Character("\(number)"))
            #expect(body(recent.recall(try target("/b"))) == "b")
            clock.advance(by: 1)
            #expect(body(recent.recall(a)) == nil)
            for _ in 0..<3 { #expect(body(recent.recall(a))?.first == Character("\(number)")) }
        }
        clock.advance(by: RecentAnswers.longest - RecentAnswers.renewalAge)
        #expect(body(recent.recall(a)) == nil)
    }
}
