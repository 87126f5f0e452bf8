package import LinuxKit
import Synchronization
package import SystemPackage

/// The records, a line of JSON each in `namespaces.jsonl` in the state directory. Every function blocks: call it from a
/// worker.
///
/// The deletion of a namespace without a record is marked by an empty file, `deletions/NAME.json`, NAME percent-encoded
/// as in a URL, while it is under way: a start then knows that the file left of it is to go.
package final class RecordStore: Sendable {
    fileprivate struct State: ~Copyable {
        var file: SlotFile
        var places: [NamespaceName: SlotFile.Place] = [:]
        /// Of the newest record.
        var sequence: Int64 = 0
    }

    private let state: Mutex<State>
    private let directory: FilePath
    private let deletions: FilePath
    private static let suffix = ".json"
    /// What a file's name has room for, in bytes.
    private static let longestName = 200

    /// - Parameter directory: The state directory.
    package init(directory: FilePath) throws(SystemError) {
        self.directory = directory
        try FileSystem.makeDirectory(directory, mode: 0o700)
        deletions = directory.appending("deletions")
        try FileSystem.makeDirectory(deletions, mode: 0o700)
        state = Mutex(State(file: SlotFile(directory.appending("namespaces.jsonl"))))
    }

    /// Whether the deletion of such a name can be marked; percent-encoding can make it too long for a file's.
    static func canMark(_ name: NamespaceName) -> Bool { name.pathSegment.utf8.count <= longestName }

    /// Writes or replaces a record, wholly or not at all.
    package func save(_ record: NamespaceRecord, for name: NamespaceName) throws(SystemError) {
        try state.withLock { (state) throws(SystemError) in try state.save(record, for: name) }
    }

    /// Removes a record, if there is one.
    package func remove(_ name: NamespaceName) throws(SystemError) {
        try state.withLock { (state) throws(SystemError) in
            guard let place = state.places[name] else { return }
            try state.file.clear(place)
            state.places[name] = nil
        }
    }

    func markDeletion(of name: NamespaceName) throws(SystemError) {
        try FileSystem.replace(markPath(of: name), with: [])
    }

    func unmarkDeletion(of name: NamespaceName) throws(SystemError) {
        try FileSystem.unlink(markPath(of: name), as: .removeRecord)
    }

    /// The names whose deletion was interrupted.
    func interruptedDeletions() throws(SystemError) -> [NamespaceName] {
        var names: [NamespaceName] = []
        for file in try FileSystem.names(in: deletions) {
            let segment = String(decoding: file.dropLast(Self.suffix.utf8.count), as: UTF8.self)
            if let name = NamespaceName(pathSegment: segment), markPath(of: name) == deletions.entry(file) {
                names.append(name)
            } else {
                // The temporary file of a mark: nothing had begun.
                try FileSystem.unlink(deletions.entry(file))
            }
        }
        return names
    }

    private func markPath(of name: NamespaceName) -> FilePath {
        deletions.appending("\(name.pathSegment)\(Self.suffix)")
    }

    /// What ``load(bootID:)`` found.
    package struct Contents: Sendable {
        package var records: [NamespaceName: NamespaceRecord] = [:]
        /// Where what could not be read as a record was put, so that it is not tried again; once for each.
        package var setAside: [FilePath] = []
        /// How many of these are still where they were, for want of room elsewhere, and are tried again.
        package var unmoved = 0
    }

    /// Reads every record of this boot. Records of earlier boots are removed; what cannot be read is set aside.
    package func load(bootID: String) throws(SystemError) -> Contents {
        try state.withLock { (state) throws(SystemError) in
            var contents = try state.load(bootID: bootID)
            try takeOver(RecordFiles(stateDirectory: directory), into: &state, &contents, bootID: bootID)
            return contents
        }
    }

    /// Makes lines of the records that an earlier version has left, each of which goes once its line is there.
    private func takeOver(
        _ files: RecordFiles, into state: inout State, _ contents: inout Contents, bootID: String
    ) throws(SystemError) {
        try files.removeSpares()
        for path in try files.paths() {
            guard let (name, record) = files.read(path) else {
                contents.setAside.append(try files.setAside(path))
                continue
            }
            // Where there is a line of the name as well, an earlier version has run after this one: its file is newer.
            if record.bootID == bootID {
                do throws(SystemError) {
                    try state.save(record, for: name)
                } catch  where error.errno == .noSpace || error.errno == .diskQuotaExceeded {
                    try takeOver(path, record, name, into: &state)
                }
                contents.records[name] = record
            }
            try FileSystem.unlink(path, as: .removeRecord)
        }
        try files.removeDirectory()
    }

    /// Gives a record the room of its own file, or puts that back.
    private func takeOver(
        _ path: FilePath, _ record: NamespaceRecord, _ name: NamespaceName, into state: inout State
    ) throws(SystemError) {
        let content = try FileSystem.read(path)
        try FileSystem.unlink(path, as: .removeRecord)
        do throws(SystemError) {
            try state.save(record, for: name)
        } catch {
            try FileSystem.write(path, content)
            throw error
        }
    }
}

extension RecordStore.State {
    fileprivate mutating func save(_ record: NamespaceRecord, for name: NamespaceName) throws(SystemError) {
        sequence += 1
        let place = try file.write(record.text(for: name, sequence: sequence))
        guard let old = places.updateValue(place, forKey: name) else { return }
        // The newer one counts, so that this cannot fail what is done: it would cost the old one's place, until a start
        // finds the line, and the name gone or another namespace's.
        try? file.clear(old)
    }

    /// The highest sequence to go on from.
    private static var mostAtStart: Int64 { 1 << 52 }

    fileprivate mutating func load(bootID: String) throws(SystemError) -> RecordStore.Contents {
        places = [:]
        var found: [NamespaceName: (record: NamespaceRecord, sequence: Int64, place: SlotFile.Place)] = [:]
        var unreadable: [(line: [UInt8], place: SlotFile.Place)] = []
        var obsolete: [SlotFile.Place] = []
        try file.load { place, line in
            guard let (name, record, sequence) = NamespaceRecord.parse(line) else {
                unreadable.append((line, place))
                return
            }
            if record.bootID != bootID || sequence < found[name]?.sequence ?? 0 {
                obsolete.append(place)
            } else if let older = found.updateValue((record, sequence, place), forKey: name) {
                obsolete.append(older.place)
            }
        }
        var contents = RecordStore.Contents(records: found.mapValues(\.record))
        var kept: [[UInt8]] = []
        for (line, place) in unreadable {
            do throws(SystemError) {
                contents.setAside.append(try file.setAside(line))
                obsolete.append(place)
            } catch {
                // A full disk is no reason not to start.
                contents.unmoved += 1
                kept.append(line)
            }
        }
        // Whatever somebody has written there, what comes next has room for its own.
        let sequences = found.values.map(\.sequence)
        let isSpent = sequences.contains { $0 > Self.mostAtStart }
        sequence = sequences.filter { $0 <= Self.mostAtStart }.max() ?? 0
        if isSpent || file.isWorthReplacing {
            let lines = found.map { $1.record.text(for: $0, sequence: isSpent ? 0 : $1.sequence) }
            if let places = try file.replace(with: lines + kept) {
                self.places = Dictionary(uniqueKeysWithValues: zip(found.keys, places))
                return contents
            }
        }
        // What cannot be cleared is found again by the next start, no better.
        for place in obsolete { try? file.clear(place) }
        places = found.mapValues(\.place)
        return contents
    }
}
