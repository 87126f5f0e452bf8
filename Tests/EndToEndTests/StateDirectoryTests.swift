import Foundation
import Glibc
import TestSupport
import Testing

@Suite("The state directory", .tags(.endToEnd), .serialized, .timeLimit(.minutes(5)))
struct StateDirectoryTests {
    private static let collection = "/v1/namespaces"
    private static let a = "/v1/namespaces/a"
    private static let labelled = #"{"name":"a","labels":{"v":"1"}}"#

    @Test("On a full disk nothing is made and nothing is left half made; reading and deleting go on")
    func full() async throws {
        try await withStateDisk { home in
            try await withDaemon(in: home) { daemon in
                try await daemon.send("PUT", Self.a, body: #"{"labels":{"v":"1"}}"#)
                let before = try await daemon.send("GET", Self.a).json
                try fill(home)
                let others = try await fillRecords(daemon)
                let body = #"{"name":"b"}"#
                let requests = [
                    ("POST", Self.collection, body, []), ("PUT", Self.collection + "/b", "{}", []),
                    ("POST", Self.collection, body, ["Idempotency-Key: k"]),
                    ("POST", Self.collection + ":batch", "{\"items\":[\(body),{}],\"atomic\":true}", []),
                    ("PATCH", Self.a, #"{"labels":{"v":"2"}}"#, []),
                ]
                for (method, path, body, headers) in requests {
                    try expectNoStorage(await daemon.send(method, path, body: body, headers: headers))
                }
                let batch = try await daemon.send("POST", Self.collection + ":batch", body: "{\"items\":[\(body)]}")
                #expect(try batch.json["results"]?[0]?["status"]?.int == 503)
                #expect(home.names == ["a"] + others)
                #expect(home.records == ["a"] + others)
                #expect(try await daemon.send("GET", Self.a).json == before)
                #expect(try await daemon.send("DELETE", Self.a).status == 204)
                // Its place has room for one record, and no more.
                #expect(try await daemon.send("PUT", Self.a).status == 201)
                try expectNoStorage(await daemon.send("PUT", Self.collection + "/b"))
                for name in ["a"] + others {
                    #expect(try await daemon.send("DELETE", Self.collection + "/\(name)").status == 204)
                }
                #expect(home.names.isEmpty)
                #expect(home.records.isEmpty)

                try FileManager.default.removeItem(atPath: home.stateDirectory + "/filler")
                let created = try await daemon.send(
                    "POST", Self.collection, body: body, headers: ["Idempotency-Key: k"])
                #expect(created.status == 201)
                #expect(home.records == ["b"])
            }
            // A full disk is no reason not to start, and to take away what a crash left.
            try fill(home)
            try await withDaemon(in: home) { daemon in
                let found = try await daemon.send("GET", Self.collection + "/b").json
                #expect(found["origin"] == "created")
                #expect(try await daemon.send("DELETE", Self.collection + "/b").status == 204)
            }
        }
    }

    @Test("Where there is room for the record and none for the answer, a retry with the key does not fail")
    func noRoomForTheAnswer() async throws {
        try await withStateDisk { home in
            let (first, key) = try await withDaemon(in: home) { daemon in
                // The place of what is deleted is for the next.
                try await daemon.send("PUT", Self.a)
                try await daemon.send("DELETE", Self.a)
                try fill(home)
                let key = ["Idempotency-Key: k"]
                let first = try await daemon.send("POST", Self.collection, body: Self.labelled, headers: key)
                #expect(first.status == 201, "\(first.text)")
                let second = try await daemon.send("POST", Self.collection, body: Self.labelled, headers: key)
                #expect(second.status == 201)
                #expect(second.body == first.body)
                #expect(second.headers["idempotent-replayed"] == "true")
                let reused = try await daemon.send("POST", Self.collection, body: "{}", headers: key)
                #expect(reused.problem == "idempotency-key-reused")
                return (first, key)
            }
            try await withDaemon(in: home) { daemon in
                let third = try await daemon.send("POST", Self.collection, body: Self.labelled, headers: key)
                #expect(third.status == 201)
                #expect(third.body == first.body)
                #expect(home.names == ["a"])
            }
        }
    }

    @Test("Where nothing can be written nothing is made; reading and deleting go on, and a start says why it fails")
    func readOnly() async throws {
        try await withStateDisk { home in
            try await withDaemon(in: home) { daemon in
                try await daemon.send("PUT", Self.a)
                try await daemon.send("PUT", Self.collection + "/kept")
                // The kernel makes no file system read-only that has a file open for writing, but one that is broken.
                let fault = FaultInjectionTests.Fault(
                    call: "pwrite64", errno: "EROFS", status: 503, problem: "storage-failure")
                try await FaultInjectionTests().injecting(fault, into: daemon) {
                    for (method, path) in [("POST", Self.collection), ("PUT", Self.collection + "/b")] {
                        try expectNoStorage(await daemon.send(method, path, body: "{}"))
                    }
                    try expectNoStorage(await daemon.send("PATCH", Self.a, body: #"{"labels":{"v":"2"}}"#))
                    #expect(home.names == ["a", "kept"])
                    #expect(try await daemon.send("DELETE", Self.a).status == 204)
                    #expect(try await daemon.send("GET", Self.a).status == 404)
                    #expect(try await daemon.send("DELETE", Self.a).status == 404)
                    #expect(home.names == ["kept"])
                    #expect(home.records == ["a", "kept"])
                }
            }
            try await remount(home, "ro")
            let start = try await Command.run(try Daemon.executable(), ["serve"] + home.arguments)
            #expect(start.status == 1)
            #expect(start.errors.split(separator: "\n").count == 1, "\(start.errors)")
            #expect(start.errors.contains("Read-only file system"), "\(start.errors)")
            #expect(start.errors.contains(home.stateDirectory), "\(start.errors)")
            try await remount(home, "rw")
            try await withDaemon(in: home) { daemon in
                #expect(home.records == ["kept"])
                let list = try await daemon.send("GET", Self.collection).json
                #expect(list["namespaces"]?.array?.map { $0["name"] } == ["kept"])
                #expect(list["namespaces"]?[0]?["origin"] == "created")
            }
        }
    }

    @Test(
        "A corrupt record is set aside; its namespace stays, as nobody's of ours",
        arguments: ["garbage", "{\"name\":", "{}"])
    func corrupt(_ content: String) async throws {
        try await withHome { home in
            let before = try await withDaemon(in: home) { daemon in
                try await daemon.send("PUT", Self.collection + "/b", body: #"{"labels":{"v":"1"}}"#)
                return try await daemon.send("PUT", Self.a, body: #"{"labels":{"v":"1"},"leaseSeconds":60}"#).json
            }
            try home.editRecords { $0.contains(#""name":"a""#) ? content : $0 }
            for start in 0..<2 {
                try await withDaemon(in: home) { daemon in
                    #expect(home.records == ["b"])
                    let unreadable = try String(contentsOfFile: home.recordFile + ".unreadable", encoding: .utf8)
                    #expect(unreadable == content + "\n")
                    let after = try await daemon.send("GET", Self.a).json
                    #expect(after["origin"] == "external")
                    #expect(after["labels"] == .object([:]))
                    #expect(after["lease"] == .null)
                    #expect(after["cookie"] == before["cookie"])
                    #expect(try await daemon.send("GET", Self.collection + "/b").json["labels"]?["v"] == "1")
                    let told = daemon.log.matches(of: /an unreadable record was set aside/).count
                    #expect(told == 1, "start \(start)")
                }
            }
        }
    }

    @Test("A record from another boot is removed, and what has its name now is left alone")
    func otherBoot() async throws {
        try await withHome { home in
            try await withDaemon(in: home) { daemon in
                for name in ["a", "b", "c"] { try await daemon.send("PUT", Self.collection + "/\(name)") }
            }
            let boot = try String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            try home.editRecords { line in
                #expect(line.contains(boot))
                if line.contains(#""name":"c""#) { return line }
                return line.replacingOccurrences(of: boot, with: "11111111-2222-3333-4444-555555555555")
            }
            // What a reboot leaves of a namespace is at most a file.
            let file = home.netnsDirectory + "/b"
            try await Command.check("umount", [file])
            try await withDaemon(in: home) { daemon in
                #expect(home.records == ["c"])
                #expect(home.names == ["a", "b", "c"])
                let origins = try await daemon.send("GET", Self.collection).json["namespaces"]?.array ?? []
                #expect(origins.map { $0["origin"] } == ["external", "external", "created"])
                #expect(origins.map { $0["state"] } == ["ready", "stale", "ready"])
            }
        }
    }

    @Test("The records that an earlier version has left, a file each, are taken over")
    func earlierVersion() async throws {
        try await withHome { home in
            let before = try await withDaemon(in: home) { daemon in
                try await daemon.send("PUT", Self.collection + "/b", body: #"{"leaseSeconds":600}"#)
                try await home.addExternal("c")
                return try await daemon.send("PUT", Self.a, body: #"{"labels":{"v":"1"}}"#).json
            }
            let manager = FileManager.default
            let (records, spares) = (home.stateDirectory + "/namespaces", home.stateDirectory + "/spare")
            for directory in [records, spares] {
                try manager.createDirectory(atPath: directory, withIntermediateDirectories: false)
            }
            try Data("left".utf8).write(to: URL(filePath: spares + "/1"))
            try home.editRecords { line in
                let text = line.replacing(#/"sequence":\d+,/#, with: "").trimmingCharacters(in: .whitespaces)
                #expect(text.utf8.count < line.utf8.count)
                let name = try #require(text.firstMatch(of: #/"name":"(\w+)"/#)).1
                try Data(text.utf8).write(to: URL(filePath: "\(records)/\(name).json"))
                return ""
            }
            try manager.removeItem(atPath: home.recordFile)
            for _ in 0..<2 {
                try await withDaemon(in: home) { daemon in
                    #expect(home.records == ["a", "b"])
                    #expect(!manager.fileExists(atPath: records) && !manager.fileExists(atPath: spares))
                    #expect(try await daemon.send("GET", Self.a).json == before)
                    let list = try await daemon.send("GET", Self.collection).json["namespaces"]?.array ?? []
                    #expect(list.map { $0["origin"] } == ["created", "created", "external"])
                    #expect(list[1]["lease"]?["seconds"]?.int == 600)
                }
            }
        }
    }

    @Test("A directory where a recorded namespace was is left alone, and keeps no daemon from starting")
    func directoryInTheWay() async throws {
        try await withHome { home in
            try await withDaemon(in: home) { _ = try await $0.send("PUT", Self.a) }
            try await home.removeExternal("a")
            try FileManager.default.createDirectory(
                atPath: home.netnsDirectory + "/a", withIntermediateDirectories: false)
            try await withDaemon(in: home) { daemon in
                #expect(home.records.isEmpty)
                let found = try await daemon.send("GET", Self.a).json
                #expect(found["state"] == "stale")
                #expect(found["origin"] == "external")
            }
        }
    }

    @Test("10,000 records without namespaces are removed at once, and nothing else is")
    func manyRecords() async throws {
        try await withHome { home in
            let before = try await withDaemon(in: home) { daemon in
                try await daemon.send("PUT", Self.a, body: #"{"labels":{"v":"1"}}"#).json
            }
            try home.editRecords { line in
                guard line.contains(#""name":"a""#) else { return line }
                let names = ["a"] + (0..<10_000).map { "n\($0)" }
                return names.map { line.replacing(#""name":"a""#, with: "\"name\":\"\($0)\"") }
                    .joined(separator: "\n")
            }
            // Recorded, but by now another tool's.
            try await home.addExternal("n17")
            let start = ContinuousClock.now
            try await withDaemon(in: home) { daemon in
                let time = ContinuousClock.now - start
                print("10,000 records without namespaces: ready after \(time)")
                #expect(time < .seconds(20), "\(time)")
                #expect(home.records == ["a"])
                #expect(home.names == ["a", "n17"])
                let after = try await daemon.send("GET", Self.a).json
                #expect(after == before)
                #expect(try await daemon.send("GET", Self.collection + "/n17").json["origin"] == "external")
            }
        }
    }

    @Test("Answers that are kept leave the state directory's disk to the records")
    func shareOfAnswers() async throws {
        try await withStateDisk("1m") { home in
            try await withDaemon(in: home) { daemon in
                for number in 0..<80 {
                    let key = ["Idempotency-Key: k\(number)"]
                    #expect(try await daemon.send("POST", Self.collection, headers: key).status == 201)
                }
                let answers = try FileManager.default.contentsOfDirectory(atPath: home.stateDirectory + "/answers")
                // An eighth, in pages.
                #expect(answers.count == 32)
                let first = try await daemon.send("POST", Self.collection, headers: ["Idempotency-Key: k0"])
                let last = try await daemon.send("POST", Self.collection, headers: ["Idempotency-Key: k79"])
                #expect(first.headers["idempotent-replayed"] == nil)
                #expect(last.headers["idempotent-replayed"] == "true")
            }
        }
    }
}

extension StateDirectoryTests {
    private func expectNoStorage(_ response: HTTPResponse) throws {
        #expect(response.status == 503, "\(response.text)")
        let cause = try response.json["cause"]?["type"]?.string
        #expect(response.problem == "storage-failure" || cause == "urn:netnsd:problem:storage-failure")
        #expect(response.text.contains("full or read-only"), "\(response.text)")
    }

    /// Runs `body` with a state directory that is a small disk of its own.
    private func withStateDisk(_ size: String = "64k", _ body: (DaemonHome) async throws -> Void) async throws {
        try await withHome { home in
            try FileManager.default.createDirectory(atPath: home.stateDirectory, withIntermediateDirectories: false)
            try await Command.check("mount", ["-t", "tmpfs", "-o", "size=\(size)", "tmpfs", home.stateDirectory])
            defer { umount2(home.stateDirectory, Int32(MNT_DETACH)) }
            try await body(home)
        }
    }

    /// Leaves no room for one byte.
    private func fill(_ home: DaemonHome) throws {
        let descriptor = open(home.stateDirectory + "/filler", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw TestFailure("no filler: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let block = [UInt8](repeating: 0, count: 4096)
        while write(descriptor, block, block.count) > 0 {}
        guard errno == ENOSPC else { throw TestFailure("not full: \(String(cString: strerror(errno)))") }
    }

    /// Leaves no room for one record either in what the file of the records has of the disk already; answers the
    /// namespaces that are made for it, in order.
    private func fillRecords(_ daemon: Daemon) async throws -> [String] {
        var names: [String] = []
        while names.count < 100 {
            let name = "filler\(names.count)"
            let response = try await daemon.send("PUT", Self.collection + "/\(name)")
            if response.status != 201 {
                try expectNoStorage(response)
                return names
            }
            names.append(name)
        }
        throw TestFailure("100 namespaces, and still no full disk")
    }

    private func remount(_ home: DaemonHome, _ mode: String) async throws {
        try await Command.check("mount", ["-o", "remount,\(mode)", home.stateDirectory])
    }
}
