import Foundation
import Glibc
import Synchronization
import SystemPackage
import Testing

@testable import LinuxKit

@Suite("The log of lines", .timeLimit(.minutes(1)))
struct LineLogTests {
    @Test("Lines of many threads are whole, in each one's order, and all there once it is stopped")
    func order() async throws {
        try await withDirectory { directory in
            let path = directory + "/lines"
            let log = try LineLog(.file(FilePath(path)), capacity: .max) { _ in }
            await withTaskGroup { group in
                for writer in 0..<8 {
                    group.addTask {
                        for number in 0..<1000 { log.append { Array("\(writer) \(number)".utf8) } }
                    }
                }
            }
            #expect(await log.stop(within: .seconds(10)))
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 8000)
            for writer in 0..<8 {
                let own = lines.filter { $0.hasPrefix("\(writer) ") }
                #expect(own.map(String.init) == (0..<1000).map { "\(writer) \($0)" })
            }
            #expect(log.counts == counts(written: 8000))
        }
    }

    @Test("A reader that does not read keeps nobody waiting, and what does not fit is counted")
    func fullQueue() async throws {
        try await withDirectory { directory in
            let path = directory + "/pipe"
            #expect(mkfifo(path, 0o600) == 0)
            let reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
            defer { close(reader) }
            let log = try LineLog(.file(FilePath(path)), capacity: 100) { _ in }
            let line = [UInt8](repeating: 0x61, count: 10_000)
            let start = ContinuousClock.now
            for _ in 0..<1000 { log.append { line } }
            #expect(ContinuousClock.now - start < .seconds(1))
            #expect(log.counts.unqueued > 700)
            #expect(await log.stop(within: .milliseconds(50)) == false)
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while await log.stop(within: .milliseconds(1)) == false { while read(reader, &buffer, buffer.count) > 0 {} }
            let counts = log.counts
            #expect(counts.written + counts.unqueued == 1000)
        }
    }

    @Test("A disk that takes nothing is told of once")
    func fullDisk() async throws {
        let changes = Mutex<[Errno?]>([])
        let log = try LineLog(.file("/dev/full")) { failure in changes.withLock { $0.append(failure?.errno) } }
        for round in 1...3 {
            log.append { Array("a".utf8) }
            while log.counts.unwritten < round { try await Task.sleep(for: .milliseconds(1)) }
        }
        #expect(await log.stop(within: .seconds(5)))
        #expect(changes.withLock { $0 } == [.noSpace])
        #expect(log.counts.written == 0)
    }

    @Test("After the file was moved away, it goes on in a new one when told, and loses nothing")
    func rotation() async throws {
        try await withDirectory { directory in
            let path = directory + "/lines"
            let log = try LineLog(.file(FilePath(path))) { _ in }
            for number in 0..<10 { log.append { Array("\(number)".utf8) } }
            try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
            for number in 10..<20 { log.append { Array("\(number)".utf8) } }
            try await log.reopen()
            for number in 20..<30 { log.append { Array("\(number)".utf8) } }
            try FileManager.default.moveItem(atPath: path, toPath: path + ".2")
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            let failure = await #expect(throws: SystemError.self) { try await log.reopen() }
            #expect(failure?.errno == .isDirectory)
            log.append { Array("30".utf8) }
            #expect(await log.stop(within: .seconds(5)))
            let first = try String(contentsOfFile: path + ".1", encoding: .utf8)
            #expect(first == (0..<20).map { "\($0)\n" }.joined())
            let second = try String(contentsOfFile: path + ".2", encoding: .utf8)
            #expect(second == (20...30).map { "\($0)\n" }.joined())
        }
    }

    @Test("A descriptor is held while it is open, and none after")
    func descriptors() async throws {
        try await withDirectory { directory in
            let path = directory + "/lines"
            func held() throws -> Int {
                try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
                    (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path
                }
            }
            let log = try LineLog(.file(FilePath(path))) { _ in }
            #expect(try held() == 1)
            try await log.reopen()
            #expect(try held() == 1)
            #expect(await log.stop(within: .seconds(5)))
            #expect(try held() == 0)
            log.append { Array("late".utf8) }
            #expect(log.counts == counts(unqueued: 1))
        }
    }

    private func counts(written: UInt64 = 0, unqueued: UInt64 = 0) -> LineLog.Counts {
        var counts = LineLog.Counts()
        (counts.written, counts.unqueued) = (written, unqueued)
        return counts
    }

    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        let directory = "/tmp/netnsd-lines-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory)
    }
}

@Suite("What is counted")
struct TallyTests {
    @Test("A duration is in the first class that it is not longer than")
    func classes() {
        let tally = DurationTally()
        for duration: UInt64 in [0, 100_000, 100_001, 250_000, 10_000_000_000, 10_000_000_001, .max / 4] {
            tally.add(nanoseconds: duration)
        }
        let reading = tally.reading
        #expect(reading.counts == [2, 2] + Array(repeating: 0, count: 12) + [1, 2])
        #expect(reading.total == 7)
    }

    @Test("Durations that many threads add are all counted")
    func threads() async {
        let tally = DurationTally()
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<10_000 { tally.add(nanoseconds: 1000) } }
            }
        }
        #expect(tally.reading.total == 80_000)
        #expect(tally.reading.nanoseconds == 80_000_000)
    }

    @Test("An errno has the name that the manual pages have")
    func errnoNames() {
        #expect(Errno.noSpace.name == "ENOSPC")
        #expect(Errno.wouldBlock.name == "EAGAIN")
        #expect(Errno(rawValue: 4095).name == nil)
    }
}
