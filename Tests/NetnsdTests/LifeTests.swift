import Logging
import Synchronization
import Testing

@testable import netnsd

@Suite("The daemon's life") struct LifeTests {
    @Test("every reload is run and logged, also after one that fails")
    func reloads() async {
        let (log, runs) = (LogRecorder(), Counter())
        let reloads = [
            Reload(name: "first") { runs.add() },
            Reload(name: "second") { throw Broken() },
            Reload(name: "third") { runs.add() },
        ]
        await reloads.runAll(logger: log.logger)
        #expect(runs.value == 2)
        #expect(
            log.lines == [
                "notice reloaded what=first",
                "error not reloaded; what was in force stays in force reason=it is broken what=second",
                "notice reloaded what=third",
                "notice flags and environment variables are not reloaded; restart the daemon to change them",
            ])
    }

    @Test("what answers is well, what does not is named, and is asked once")
    func pulse() async throws {
        let asked = Counter()
        let stuck = Vital(name: "stuck") {
            asked.add()
            try? await Task.sleep(for: .seconds(600))
            return true
        }
        let beat = HealthBeat(
            [Vital(name: "well") { true }, stuck, Vital(name: "ill") { false }], logger: LogRecorder().logger)
        #expect(await beat.takePulse() == ["well", "stuck", "ill"], "nobody has been asked before")
        for _ in 0..<3 {
            try await Task.sleep(for: .milliseconds(100))
            #expect(await beat.takePulse() == ["stuck", "ill"])
        }
        #expect(asked.value == 1)
    }

    @Test("what is too busy to answer is well while it gets on")
    func progress() async throws {
        let work = Counter()
        let busy = Vital(
            name: "busy",
            check: {
                try? await Task.sleep(for: .seconds(600))
                return true
            }, progress: { work.value })
        let beat = HealthBeat([busy], logger: LogRecorder().logger)
        _ = await beat.takePulse()
        work.add()
        #expect(await beat.takePulse().isEmpty)
        #expect(await beat.takePulse() == ["busy"])
        work.add()
        #expect(await beat.takePulse().isEmpty)
    }

    @Test("lines for the journal are one line and have the priority of their level")
    func journal() {
        #expect(JournalLogHandler.line("a\nb\r\nc", at: .error) == "<3>a\\nb\\nc\n")
        let levels: [Logger.Level] = [.trace, .debug, .info, .notice, .warning, .error, .critical]
        let priorities = levels.map { JournalLogHandler.line("", at: $0) }
        #expect(priorities == ["<7>\n", "<7>\n", "<6>\n", "<5>\n", "<4>\n", "<3>\n", "<2>\n"])
    }
}

private struct Broken: Error, CustomStringConvertible {
    let description = "it is broken"
}

private final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    var value: Int { count.load(ordering: .relaxed) }

    func add() { count.add(1, ordering: .relaxed) }
}

/// Keeps what is logged.
private final class LogRecorder: Sendable {
    private let recorded = Mutex<[String]>([])

    var lines: [String] { recorded.withLock { $0 } }

    var logger: Logger { Logger(label: "test", factory: { _ in Handler(recorder: self) }) }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var logLevel = Logger.Level.trace
        var metadata = Logger.Metadata()

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
            recorder.recorded.withLock { $0.append("\(event.level) \(event.message)\(fields)") }
        }
    }
}
