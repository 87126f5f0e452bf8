import DequeModule
import JSONText
package import LinuxKit
package import SystemPackage

/// The answers to requests with an idempotency key, so that a retry gets the first answer again: one file each,
/// `answers/N.json` in the state directory, for a day of uptime and over restarts.
///
/// Only what finds a file is in memory; the answer itself, which can be long, is read when it is asked for.
package actor AnswerStore {
    /// How an answer read, apart from the headers that every answer has.
    package struct Answer: Sendable, Equatable {
        package let status: Int
        package let type: String
        package let location: String?
        package let tag: String?
        package let body: [UInt8]

        package init(status: Int, type: String, location: String?, tag: String?, body: [UInt8]) {
            self.status = status
            self.type = type
            self.location = location
            self.tag = tag
            self.body = body
        }
    }

    /// What a key means for a request that has it.
    package enum Claim: Sendable {
        /// The request is to be done, then ``keep(_:for:)`` or ``forget(_:)`` called. `made` are the names that an
        /// earlier try made for its items before the daemon died.
        case new(made: [Int: NamespaceName])
        case answered(Answer)
        case inProgress
        /// Another request has used the key.
        case reused
    }

    private enum Entry {
        case inProgress(Fingerprint)
        /// Made by a request whose answer was never kept: the daemon died first.
        case unanswered(Fingerprint, made: [Int: NamespaceName])
        case kept(Fingerprint, Place, size: Int, until: Duration)
    }

    private enum Place {
        case file(Int)
        /// The state directory did not take it. The work is done all the same, and a retry must not do it again.
        case memory(Answer)
    }

    /// How long an answer is kept.
    private static let time = Duration.seconds(24 * 60 * 60)
    /// What is kept at most; the oldest goes first.
    private static let (mostAnswers, mostBytes) = (10_000, 32 * 1024 * 1024)
    /// Which part of the state directory's file system may be taken: the rest is for records, without which nothing can
    /// be created.
    private static let share = 8

    private let directory: FilePath
    private let kernel: any NamespaceKernel
    private let clock: any NamespaceClock
    private let bootID: String
    private var entries: [String: Entry] = [:]
    /// The keys that have kept answers, the oldest first.
    private var order: Deque<String> = []
    private var bytes = 0
    private let mostBytes: Int
    private let blockBytes: Int
    private var lastFile = 0

    /// - Parameter directory: The state directory.
    package init(
        directory: FilePath, kernel: any NamespaceKernel, bootID: String, clock: any NamespaceClock = HostClock()
    ) throws(SystemError) {
        self.directory = directory.appending("answers")
        self.kernel = kernel
        self.bootID = bootID
        self.clock = clock
        try FileSystem.makeDirectory(self.directory, mode: 0o700)
        let space = try FileSystem.space(at: self.directory)
        mostBytes = min(Self.mostBytes, space.total.map { $0 / Self.share } ?? .max)
        blockBytes = space.block
    }

    /// What a file with so much in it takes of the file system.
    private func size(of content: Int) -> Int { (content + blockBytes - 1) / blockBytes * blockBytes }

    /// Asks to do the request of that key.
    package func claim(_ key: String, _ fingerprint: Fingerprint) async throws(NamespaceError) -> Claim {
        await removeExpired()
        while true {
            switch entries[key] {
            case nil:
                entries[key] = .inProgress(fingerprint)
                return .new(made: [:])
            case .unanswered(fingerprint, let made):
                entries[key] = .inProgress(fingerprint)
                return .new(made: made)
            case .inProgress(fingerprint):
                return .inProgress
            case .kept(fingerprint, .file(let file), _, _):
                do throws(NamespaceError) {
                    return .answered(try await read(file))
                } catch {
                    // Gone to make room, or to be read by now as what another request of the key has left.
                    if case .kept(_, .file(file), _, _)? = entries[key] { throw error }
                }
            case .kept(fingerprint, .memory(let answer), _, _):
                return .answered(answer)
            case .unanswered, .inProgress, .kept:
                return .reused
            }
        }
    }

    /// Keeps the answer to a request that was claimed: only until the daemon ends, where there is no room for a file.
    package func keep(_ answer: Answer, for key: String) async {
        guard case .inProgress(let fingerprint)? = entries[key] else { return }
        CrashPoint.answerUnsaved.pass()
        lastFile += 1
        let file = lastFile
        let until = clock.uptime + Self.time
        let text = Self.text(of: answer, key: key, fingerprint: fingerprint, until: until, bootID: bootID)
        let path = path(of: file)
        var place = Place.file(file)
        do throws(SystemError) {
            try await kernel.blocking { () throws(SystemError) in try FileSystem.replace(path, with: text) }
        } catch {
            place = .memory(answer)
        }
        let size = size(of: text.count)
        entries[key] = .kept(fingerprint, place, size: size, until: until)
        order.append(key)
        bytes += size
        while !order.isEmpty, order.count > Self.mostAnswers || bytes > mostBytes { await removeOldest() }
    }

    /// Lets the next request of that key be done.
    package func forget(_ key: String) {
        entries[key] = nil
    }
}

// MARK: - Files

extension AnswerStore {
    /// Reads what is kept; removes what is too old, of another boot or unreadable. Then claims of requests whose answer
    /// was lost are taken from the records that they left.
    func load(_ records: [NamespaceName: NamespaceRecord]) async throws(SystemError) {
        let (directory, bootID, now) = (directory, bootID, clock.uptime)
        let found = try await kernel.blocking { () throws(SystemError) in
            try Self.load(directory, bootID: bootID, now: now)
        }
        for item in found {
            let size = size(of: item.size)
            entries[item.key] = .kept(item.fingerprint, .file(item.file), size: size, until: item.until)
            order.append(item.key)
            bytes += size
            lastFile = max(lastFile, item.file)
        }
        let oldest = clock.now.milliseconds - Self.time.milliseconds
        for (name, record) in records.sorted(by: { $0.value.createdAt > $1.value.createdAt }) {
            guard let request = record.request, record.createdAt.milliseconds > oldest else { continue }
            switch entries[request.key] {
            case nil:
                entries[request.key] = .unanswered(request.fingerprint, made: [request.item: name])
            case .unanswered(request.fingerprint, var made):
                made[request.item] = name
                entries[request.key] = .unanswered(request.fingerprint, made: made)
            default:
                break
            }
        }
    }

    private struct Found: Sendable {
        let key: String
        let fingerprint: Fingerprint
        let file: Int
        let size: Int
        let until: Duration
    }

    /// The oldest first, and one for each key.
    private static func load(
        _ directory: FilePath, bootID: String, now: Duration
    ) throws(SystemError) -> [Found] {
        var found: [Found] = []
        for name in try FileSystem.names(in: directory) {
            let path = directory.entry(name)
            let text = String(decoding: name, as: UTF8.self)
            guard let file = text.hasSuffix(".json") ? Int(text.dropLast(5)) : nil,
                let content = try? FileSystem.read(path), let value = try? JSONValue(parsing: content),
                value["bootID"]?.string == bootID, let key = value["key"]?.string,
                let fingerprint = value["fingerprint"]?.string.flatMap(Fingerprint.init(_:)),
                let until = value["untilMilliseconds"]?.int64, .milliseconds(until) > now
            else {
                try FileSystem.unlink(path)
                continue
            }
            found.append(
                Found(
                    key: key, fingerprint: fingerprint, file: file, size: content.count, until: .milliseconds(until)))
        }
        var newest: [String: Found] = [:]
        for item in found.sorted(by: { $0.file < $1.file }) {
            // One that was to go when the daemon died, and whose key was used again.
            if let older = newest.updateValue(item, forKey: item.key) {
                try FileSystem.unlink(directory.appending("\(older.file).json"))
            }
        }
        return newest.values.sorted { $0.file < $1.file }
    }

    private static func text(
        of answer: Answer, key: String, fingerprint: Fingerprint, until: Duration, bootID: String
    ) -> [UInt8] {
        JSONWriter.text(capacity: answer.body.count * 5 / 4 + 512) { writer in
            writer.object { writer in
                writer.member("key", key)
                writer.member("fingerprint", fingerprint.description)
                writer.member("untilMilliseconds", until.milliseconds)
                writer.member("bootID", bootID)
                writer.member("status", answer.status)
                writer.member("type", answer.type)
                writer.member("location", answer.location)
                writer.member("tag", answer.tag)
                writer.member("body", String(decoding: answer.body, as: UTF8.self))
            }
        }
    }

    private func read(_ file: Int) async throws(NamespaceError) -> Answer {
        let path = path(of: file)
        do throws(SystemError) {
            let content = try await kernel.blocking { () throws(SystemError) in try FileSystem.read(path) }
            guard let value = try? JSONValue(parsing: content), let status = value["status"]?.int64,
                let type = value["type"]?.string, let body = value["body"]?.string
            else { throw SystemError(.read, path, errno: .ioError) }
            return Answer(
                status: Int(status), type: type, location: value["location"]?.string, tag: value["tag"]?.string,
                body: Array(body.utf8))
        } catch {
            throw NamespaceError(error)
        }
    }

    private func removeExpired() async {
        let now = clock.uptime
        while let key = order.first, case .kept(_, _, _, let until)? = entries[key], until <= now {
            await removeOldest()
        }
    }

    private func removeOldest() async {
        guard let key = order.popFirst(), case .kept(_, let place, let size, _)? = entries[key] else { return }
        entries[key] = nil
        bytes -= size
        guard case .file(let file) = place else { return }
        let path = path(of: file)
        do throws(SystemError) {
            try await kernel.blocking { () throws(SystemError) in _ = try FileSystem.unlink(path) }
        } catch {
            // Left for the next start, which removes what is too old.
        }
    }

    private func path(of file: Int) -> FilePath { directory.appending("\(file).json") }
}
