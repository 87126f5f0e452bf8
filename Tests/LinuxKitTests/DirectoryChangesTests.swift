import Foundation
import SystemPackage
import Testing

@testable import LinuxKit

@Suite("Changes of the mount directory, on request", .tags(.kernel)) struct DirectoryChangesTests {
    /// Runs `body` while this process can open no further file.
    private func withoutDescriptors<Value>(_ body: () throws -> Value) throws -> Value {
        var limit = rlimit()
        try #require(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        var none = limit
        none.rlim_cur = 0
        try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none) == 0)
        defer { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
        return try body()
    }

    private func names(_ report: DirectoryWatcher.Report) -> (isSweep: Bool, names: Set<String>) {
        switch report {
        case .swept(let observations): (true, Set(observations.map { String(decoding: $0.name, as: UTF8.self) }))
        case .changed(let observations): (false, Set(observations.map { String(decoding: $0.name, as: UTF8.self) }))
        case .failed: (false, ["failed"])
        }
    }

    @Test("the first call tells of every name, the next ones of what has come or gone") func changes() throws {
        let scratch = try Scratch()
        defer { scratch.cleanUp() }
        _ = try scratch.directory.prepare()
        try scratch.create("a")
        let changes = try DirectoryChanges(scratch.directory)
        #expect(names(try changes.take()) == (true, ["a"]))
        #expect(names(try changes.take()) == (false, []))
        try scratch.create("b")
        #expect(unlink(scratch.path("a")) == 0)
        #expect(names(try changes.take()) == (false, ["a", "b"]))
        #expect(names(try changes.take()) == (false, []))
    }

    @Test("what a call that fails has missed the next one tells") func failure() throws {
        let scratch = try Scratch()
        defer { scratch.cleanUp() }
        _ = try scratch.directory.prepare()
        let changes = try DirectoryChanges(scratch.directory)
        func expectFailure() throws {
            let error = #expect(throws: SystemError.self) { try withoutDescriptors { try changes.take() } }
            #expect(error?.errno == .tooManyOpenFiles)
        }
        try scratch.create("a")
        // At the first call the watch is new, and afterwards it is not.
        for _ in 0..<2 { try expectFailure() }
        #expect(names(try changes.take()) == (true, ["a"]))
        try scratch.create("b")
        for _ in 0..<2 { try expectFailure() }
        #expect(names(try changes.take()) == (true, ["a", "b"]))
        #expect(names(try changes.take()) == (false, []))
        // Where nothing has changed nothing is opened.
        #expect(names(try withoutDescriptors { try changes.take() }) == (false, []))
    }
}
