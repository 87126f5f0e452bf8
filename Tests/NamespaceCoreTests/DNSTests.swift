import Foundation
import LinuxKit
import SystemPackage
import Testing

@testable import NamespaceCore

@Suite("DNS files go with their namespace") struct DNSTests {
    private static var configuration: DNSConfiguration {
        var configuration = DNSConfiguration()
        configuration.nameservers = ["10.0.0.1"]
        configuration.hosts = [.init(address: "10.0.0.2", names: ["r1"])]
        return configuration
    }

    private func files(_ bench: Bench) -> [String] {
        let etc = bench.directory.appending("etc").string
        return ((try? FileManager.default.subpathsOfDirectory(atPath: etc)) ?? []).sorted()
    }

    @Test("when it is deleted, when its lease ends, and when others remove it") func deletion() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        try await manager.start()
        let name = try name("a")
        let written = ["a", "a/hosts", "a/resolv.conf"]
        _ = try await manager.create(name)
        #expect(try await manager.setDNS(of: name, to: Self.configuration).isNew)
        #expect(try await !manager.setDNS(of: name, to: Self.configuration).isNew)
        #expect(files(bench) == written)
        try await manager.delete(name)
        #expect(files(bench).isEmpty)

        _ = try await manager.create(Creation(.exactly(name), leaseSeconds: 10))
        _ = try await manager.setDNS(of: name, to: Self.configuration)
        bench.clock.advance(by: 11)
        try await eventually { files(bench).isEmpty }

        _ = try await manager.create(name)
        _ = try await manager.setDNS(of: name, to: Self.configuration)
        bench.kernel.remove(name)
        bench.kernel.reportChange(of: name)
        try await eventually { files(bench).isEmpty }
        await manager.stop()
    }

    @Test("a namespace that takes the name of one that others have removed does not inherit them") func replaced()
        async throws
    {
        let bench = try Bench()
        let manager = try bench.manager()
        let (a, b) = (try name("a"), try name("b"))
        for name in [a, b] {
            _ = try await manager.create(name)
            _ = try await manager.setDNS(of: name, to: Self.configuration)
            bench.kernel.remove(name)
        }
        _ = try await manager.create(a)
        _ = try await manager.createAtomically([Creation(.exactly(b))])
        #expect(files(bench).isEmpty)
        // A name that is taken keeps them.
        _ = try await manager.setDNS(of: a, to: Self.configuration)
        #expect(await code { _ = try await manager.create(a) } == .nameTaken)
        #expect(files(bench) == ["a", "a/hosts", "a/resolv.conf"])
    }

    @Test("only what was written here goes; the rest stays, whoever asks to delete the namespace") func ofOthers()
        async throws
    {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        let directory = bench.directory.appending("etc").appending("a")
        try FileManager.default.createDirectory(atPath: directory.string, withIntermediateDirectories: true)
        try Data("nameserver 10.9.9.9\n".utf8).write(to: URL(filePath: directory.string + "/resolv.conf"))
        try Data("x".utf8).write(to: URL(filePath: directory.string + "/nsswitch.conf"))
        _ = try await manager.create(name)
        #expect(try await manager.dns(of: name).nameservers == ["10.9.9.9"])
        try await manager.delete(name)
        #expect(files(bench) == ["a", "a/nsswitch.conf", "a/resolv.conf"])
        _ = try await manager.create(name)
        #expect(try await !manager.setDNS(of: name, to: Self.configuration).isNew)
        try await manager.delete(name)
        #expect(files(bench) == ["a", "a/nsswitch.conf"])
    }

    @Test("a start removes those of namespaces that are gone, and what a killed daemon was writing") func start()
        async throws
    {
        let bench = try Bench()
        let first = try bench.manager()
        for text in ["a", "b"] {
            _ = try await first.create(try name(text))
            _ = try await first.setDNS(of: try name(text), to: Self.configuration)
        }
        let etc = bench.directory.appending("etc").string
        try Data().write(to: URL(filePath: etc + "/.netnsd-1f~"))
        // Another daemon's, for another mount directory.
        let other = DNSFiles(directory: FilePath(etc), namespaces: "/elsewhere")
        try other.write(Self.configuration, for: try name("c"))
        bench.kernel.remove(try name("a"))
        let second = try bench.manager()
        try await second.start()
        #expect(files(bench) == ["b", "b/hosts", "b/resolv.conf", "c", "c/hosts", "c/resolv.conf"])
        try await second.delete(try name("b"))
        #expect(files(bench) == ["c", "c/hosts", "c/resolv.conf"])
        await second.stop()
    }

    @Test("what cannot be seen is not taken for gone") func hidden() async throws {
        let bench = try Bench()
        let first = try bench.manager()
        _ = try await first.create(try name("a"))
        _ = try await first.setDNS(of: try name("a"), to: Self.configuration)
        bench.kernel.remove(try name("a"))
        bench.kernel.hideFromHost()
        let second = try bench.manager()
        try await second.start()
        #expect(files(bench).count == 3)
        await second.stop()
    }

    @Test("a deletion that fails keeps them, and files that cannot be removed do not keep it from succeeding")
    func failures() async throws {
        let bench = try Bench()
        let manager = try bench.manager()
        let name = try name("a")
        _ = try await manager.create(name)
        _ = try await manager.setDNS(of: name, to: Self.configuration)
        bench.kernel.failRemoval(of: name, SystemError(.unlink, "/fake/a", errno: .ioError))
        #expect(await code { try await manager.delete(name) } == .kernelFailure)
        #expect(files(bench).count == 3)
        bench.kernel.failBlocking(SystemError(.open, "/fake", errno: .noSpace))
        #expect(await code { _ = try await manager.setDNS(of: name, to: Self.configuration) } == .storageFailure)
        try await manager.delete(name)
        #expect(files(bench).isEmpty)
    }

    /// Waits until `condition` holds, for 10 seconds.
    private func eventually(_ condition: () -> Bool) async throws {
        for _ in 0..<1000 where !condition() { try await Task.sleep(for: .milliseconds(10)) }
        #expect(condition())
    }
}
