import LinuxKit
import Testing

@testable import NamespaceCore

@Suite("The log of changes") struct EventLogTests {
    private func revisions(_ reading: EventLog.Reading) -> [Int64]? {
        guard case .events(let events) = reading else { return nil }
        return events.map(\.revision.number)
    }

    @Test("changes are read in order from any revision that is known, and from no other") func reading() throws {
        let log = EventLog(clock: ManualClock())
        let start = log.newest
        #expect(revisions(log.read(after: start, limit: 10)) == [])
        for index in 0..<10 { log.append(.created, try name("n\(index)"), nil) }
        #expect(revisions(log.read(after: start, limit: 3)) == [1, 2, 3].map { start.number + $0 })
        #expect(revisions(log.read(after: start.next(8), limit: 3)) == [9, 10].map { start.number + $0 })
        #expect(revisions(log.read(after: log.newest, limit: 3)) == [])
        #expect(revisions(log.read(after: log.newest.next(), limit: 3)) == nil)
        #expect(revisions(log.read(after: start.next(-1), limit: 3)) == nil)
        #expect(revisions(log.read(after: Revision(0), limit: 3)) == nil)
    }

    @Test("the oldest changes go, and who is that far behind is told") func bounded() throws {
        let log = EventLog(clock: ManualClock())
        let start = log.newest
        for index in 0..<(EventLog.capacity + 5) { log.append(.created, try name("n\(index)"), nil) }
        #expect(revisions(log.read(after: start.next(4), limit: 1)) == nil)
        #expect(revisions(log.read(after: start.next(5), limit: 1)) == [start.number + 6])
        #expect(revisions(log.read(after: start.next(5), limit: .max))?.count == EventLog.capacity)
    }

    @Test("revisions of a later run are greater") func runs() throws {
        let clock = ManualClock()
        let first = EventLog(clock: clock)
        for index in 0..<4000 { first.append(.created, try name("n\(index)"), nil) }
        clock.advance(by: 1)
        #expect(EventLog(clock: clock).newest > first.newest)
    }

    @Test("a reader that waits gets the next change, or nothing when time is up or the log closes") func waiting()
        async throws
    {
        let log = EventLog(clock: ManualClock())
        let pump = Task { await log.run(interval: .seconds(60)) }
        defer { pump.cancel() }
        let start = log.newest
        async let waiting = log.read(after: start, limit: 10, waiting: .seconds(10))
        try await Task.sleep(for: .milliseconds(20))
        log.append(.created, try name("a"), nil)
        #expect(revisions(await waiting) == [start.number + 1])
        #expect(revisions(await log.read(after: log.newest, limit: 10, waiting: .milliseconds(20))) == [])
        async let closed = log.read(after: log.newest, limit: 10, waiting: .seconds(10))
        try await Task.sleep(for: .milliseconds(20))
        log.close()
        #expect(revisions(await closed) == [])
        #expect(revisions(await log.read(after: log.newest, limit: 10, waiting: .seconds(10))) == [])
        #expect(log.followerCount == 0)
    }
}
