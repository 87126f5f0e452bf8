import Foundation
import HTTPTypes
import Logging
import MicroHTTP
import Synchronization
import SystemPackage
import Testing

@testable import API
@testable import LinuxKit
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
        guard case .answer(let response, _) = recollection, case .bytes(let bytes) = response.body else { return nil }
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

    @Test("what was recalled is good until something changes, or it is time to make it anew") func held() throws {
        let clock = Clock(1)
        let recent = clock.answers
        let a = try target("/a")
        recent.keep(Response(status: .ok), to: a, since: try moment(recent, a))
        clock.advance(by: 10)
        guard case .answer(_, let hold) = recent.recall(a) else {
            Issue.record("it does not know an answer that was kept")
            return
        }
        #expect(recent.has(hold, at: 11) && recent.has(hold, at: RecentAnswers.renewalAge))
        #expect(!recent.has(hold, at: 1 + RecentAnswers.renewalAge))
        clock.move(to: 2)
        #expect(!recent.has(hold, at: 11))
        clock.move(to: nil)
        #expect(!recent.has(hold, at: 11))
        clock.move(to: 1)
        #expect(recent.has(hold, at: 11))
    }

    private func request(
        over transport: Client.Transport = .unix, _ fields: HeaderFields = [.host: "a"]
    ) throws -> Request {
        Request(
            method: .get, target: .success(try target("/a")), headerFields: fields, contentLength: 0,
            client: Client(transport: transport))
    }

    @Test("what stands is given again under new ids, and counted, for as long as it is what it was")
    func standing() throws {
        let clock = Clock(1)
        let recent = RecentAnswers(now: { clock.moment.withLock(\.self) })
        let a = try target("/a")
        recent.keep(Response(status: .ok), to: a, since: try moment(recent, a))
        guard case .answer(_, let hold) = recent.recall(a) else {
            Issue.record("it does not know an answer that was kept")
            return
        }
        for hold in [nil, (recent, hold)] {
            clock.move(to: 1)
            let tally = DurationTally()
            let standing = try #require(
                StandingAnswer(
                    to: request(), of: nil, under: AccessPolicy(), requestIDs: RequestIDs(), tally: tally, hold: hold))
            #expect(Set((0..<5).compactMap { _ in standing.recur() }).count == 5)
            #expect(tally.reading.total == 5)
            clock.move(to: 2)
            #expect((standing.recur() == nil) == (hold != nil))
            #expect(tally.reading.total == (hold == nil ? 6 : 5))
        }
    }

    private func standing(
        _ request: Request, of principal: Principal? = nil, under access: AccessPolicy = AccessPolicy()
    ) -> StandingAnswer? {
        StandingAnswer(
            to: request, of: principal, under: access, requestIDs: RequestIDs(), tally: DurationTally(), hold: nil)
    }

    @Test("nothing stands for who comes over TLS, or for an id of the client's own") func transient() throws {
        #expect(standing(try request(over: .tcp)) != nil)
        #expect(standing(try request(over: .tls)) == nil)
        #expect(standing(try request([.requestID: "mine"])) == nil)
    }

    @Test("what stands for a token stands while the token is good, and the same principal's") func token() throws {
        let directory = FilePath("/tmp/netnsd-test-\(UUID().uuidString.prefix(8))")
        try FileSystem.makeDirectory(directory)
        defer { try? FileManager.default.removeItem(atPath: directory.string) }
        let path = directory.appending("tokens")
        let made = Token.make(
            name: "ci", role: .viewer, grant: nil, at: Timestamp(milliseconds: 1), expiresAt: nil)
        let (token, text) = try #require(made)
        try TokenFile.change(path) { (file) throws(TokenFileError) in try file.add(token, to: path) }
        let store = try TokenStore(path, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        let access = AccessPolicy(tokens: store)
        let field = "Bearer \(text)"
        let presented = try request(over: .tcp, [.host: "a", .authorization: field])
        let principal = try access.principal(of: presented)
        let answer = try #require(standing(presented, of: principal, under: access))
        let others = try #require(standing(presented, of: Principal(name: "token:ci", role: .admin), under: access))
        #expect(answer.recur() != nil && answer.recur() != nil)
        #expect(others.recur() == nil)
        try TokenFile.change(path) { (file) throws(TokenFileError) in try file.remove(named: "ci", from: path) }
        try store.reload()
        #expect(answer.recur() == nil)
        // Where nobody looks at it, it may be anything.
        #expect(try #require(standing(presented, of: nil, under: access)).recur() != nil)
        let local = try request([.host: "a", .authorization: field])
        #expect(try #require(standing(local, of: principal, under: access)).recur() != nil)
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

    /// A look that begins at once and ends when it is told to, and how often it was begun.
    private final class Gate: Sendable {
        let begun = Atomic<Int>(0)
        private let opening = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

        func look(_ result: Result<String, Problem>) async throws(Problem) -> Response {
            begun.add(1, ordering: .relaxed)
            await withCheckedContinuation { continuation in
                let isOpen = opening.withLock { opening in
                    if !opening.isOpen { opening.waiting.append(continuation) }
                    return opening.isOpen
                }
                if isOpen { continuation.resume() }
            }
            return Response(status: .ok, body: Array(try result.get().utf8))
        }

        func open() {
            let waiting = opening.withLock { opening in
                defer { opening = (true, []) }
                return opening.waiting
            }
            for continuation in waiting { continuation.resume() }
        }
    }

    private func moment(_ recent: RecentAnswers, _ target: RequestTarget) throws -> NamespaceManager.Moment {
        guard case .unknown(let moment) = recent.recall(target) else { throw Unexpected.known }
        return moment
    }

    private enum Unexpected: Error { case known }

    private func shared(
        _ recent: RecentAnswers, _ target: RequestTarget, since moment: NamespaceManager.Moment, _ gate: Gate,
        _ result: Result<String, Problem>
    ) async -> String? {
        let response = try? await recent.share(target, since: moment) { () async throws(Problem) in
            try await gate.look(result)
        }
        guard case .bytes(let bytes)? = response?.body else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Waits until it is so. The test goes on if it never is: it has gates to open.
    private func until(_ condition: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while !condition(), ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(1)) }
        #expect(condition())
    }

    @Test("Of all who ask for the same at the same moment one looks, and of others each")
    func oneLook() async throws {
        let clock = Clock(1)
        let recent = clock.answers
        let (a, b) = (try target("/a"), try target("/b"))
        let before = try moment(recent, a)
        let (first, other, later) = (Gate(), Gate(), Gate())
        async let leader = shared(recent, a, since: before, first, .success("first"))
        try await until { first.begun.load(ordering: .relaxed) == 1 }
        async let second = shared(recent, a, since: before, first, .success("second"))
        async let third = shared(recent, a, since: before, first, .success("third"))
        try await until { recent.waiting == 2 }
        async let elsewhere = shared(recent, b, since: before, other, .success("b"))
        try await until { other.begun.load(ordering: .relaxed) == 1 }
        clock.move(to: 2)
        let after = try moment(recent, a)
        async let new = shared(recent, a, since: after, later, .success("new"))
        try await until { later.begun.load(ordering: .relaxed) == 1 }
        first.open()
        #expect(await leader == "first")
        #expect(await second == "first")
        #expect(await third == "first")
        #expect(first.begun.load(ordering: .relaxed) == 1)
        // What ended was begun before the change, and is not what is underway now.
        #expect(body(recent.recall(a)) == nil)
        async let newFollower = shared(recent, a, since: after, later, .success("newer"))
        try await until { recent.waiting == 1 }
        later.open()
        other.open()
        #expect(await new == "new")
        #expect(await newFollower == "new")
        #expect(await elsewhere == "b")
        #expect(body(recent.recall(a)) == "new")
        #expect(recent.waiting == 0)
    }

    @Test("Who waits for a look that fails looks for itself")
    func failedLook() async throws {
        let recent = Clock(1).answers
        let a = try target("/a")
        let since = try moment(recent, a)
        let (first, second) = (Gate(), Gate())
        second.open()
        async let leader = shared(recent, a, since: since, first, .failure(Problem(.shuttingDown, "It is.")))
        try await until { first.begun.load(ordering: .relaxed) == 1 }
        async let follower = shared(recent, a, since: since, second, .success("found"))
        try await until { recent.waiting == 1 }
        first.open()
        #expect(await leader == nil)
        #expect(await follower == "found")
        // The next one is first again.
        let third = Gate()
        third.open()
        #expect(await shared(recent, a, since: since, third, .success("again")) == "again")
        #expect(third.begun.load(ordering: .relaxed) == 1)
    }
}
