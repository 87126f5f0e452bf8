import Foundation
import SystemPackage
import Testing

@testable import LinuxKit

/// Whether this process is in the namespace whose settings are the host's.
private let isInFirstNamespace = FileManager.default.fileExists(
    atPath: "/proc/sys/net/core/devconf_inherit_init_net")

@Suite("The sysctls of a namespace", .tags(.kernel)) struct SysctlTests {
    private static func key(_ text: String) throws -> SysctlKey { try #require(SysctlKey(Array(text.utf8))) }

    /// Runs `body` on a worker in a namespace of its own.
    private func inNamespace<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SystemError) -> Value
    ) async throws -> Value {
        let workers = try KernelWorkers(count: 1)
        do {
            let value = try await workers.run { (thread) throws(SystemError) in
                try thread.inNewNetworkNamespace { () throws(SystemError) in try body() }
            }
            await workers.stop()
            return value
        } catch {
            await workers.stop()
            throw error
        }
    }

    private static func host(_ key: SysctlKey) throws(SystemError) -> String {
        String(decoding: try FileSystem.read(key.path), as: UTF8.self)
    }

    @Test("a value is that of the thread's namespace, and not of the process's") func ofTheThread() async throws {
        let key = try Self.key("net.ipv4.ip_default_ttl")
        let before = try Self.host(key)
        let other = before.hasPrefix("77") ? "78" : "77"
        let (set, read) = try await inNamespace { () throws(SystemError) in
            (try Sysctls.set(key, to: other), try Sysctls.value(of: key))
        }
        #expect(set == other && read == other)
        #expect(try Self.host(key) == before)
    }

    @Test("nothing that can be set there is the host's", .enabled(if: isInFirstNamespace)) func apart() async throws {
        let keys = try Sysctls.all(prefix: "", where: { _ in true })
        let changed = try await inNamespace { () throws(SystemError) in
            var changed: [SysctlKey] = []
            for (key, value) in try Sysctls.all(prefix: "", where: { _ in true }) {
                guard let number = Int(value) else { continue }
                let isChanged = [number + 1, number - 1].contains { other in
                    (try? Sysctls.set(key, to: String(other))).map { $0 != value } ?? false
                }
                if isChanged { changed.append(key) }
            }
            return Set(changed)
        }
        #expect(changed.count > 100)
        for (key, value) in keys where changed.contains(key) {
            #expect(try Sysctls.value(of: key) == value, "\(key)")
        }
    }

    @Test("what is the host's in every namespace cannot be set", .enabled(if: isInFirstNamespace))
    func ofTheHost() async throws {
        let (hooks, missing, readOnly) = (
            try Self.key("net.netfilter.nf_hooks_lwtunnel"), try Self.key("net.ipv4.tcp_mem"),
            try Self.key("net.ipv4.tcp_available_congestion_control")
        )
        try await inNamespace { () throws(SystemError) in
            #expect(throws: SystemError(.verifySysctl, hooks.path, errno: .notPermitted)) {
                try Sysctls.set(hooks, to: "0")
            }
            #expect(throws: SystemError(.openSysctl, missing.path, errno: .noSuchFileOrDirectory)) {
                try Sysctls.set(missing, to: "1 2 3")
            }
            #expect(throws: SystemError(.openSysctl, readOnly.path, errno: .permissionDenied)) {
                try Sysctls.set(readOnly, to: "reno")
            }
            #expect(try Sysctls.value(of: readOnly).contains("reno"))
        }
        let ours = try Self.key("net.ipv4.ip_default_ttl")
        let before = try Self.host(ours)
        #expect(throws: SystemError(.verifySysctl, ours.path, errno: .notPermitted)) {
            try Sysctls.set(ours, to: "78")
        }
        #expect(try Self.host(ours) == before)
    }

    @Test("a value that the kernel refuses, or takes in part only, changes nothing") func refused() async throws {
        let (ttl, range) = (try Self.key("net.ipv4.ip_default_ttl"), try Self.key("net.ipv4.ip_local_port_range"))
        try await inNamespace { () throws(SystemError) in
            for (key, value) in [
                (ttl, "x"), (ttl, "0"), (ttl, "256"), (ttl, "70 71"), (ttl, "70x"), (range, "9 8"), (ttl, ""),
            ] {
                let before = try Sysctls.value(of: key)
                #expect(throws: SystemError(.writeSysctl, key.path, errno: .invalidArgument), "\(key) '\(value)'") {
                    try Sysctls.set(key, to: value)
                }
                #expect(try Sysctls.value(of: key) == before, "\(key) '\(value)'")
            }
            #expect(try Sysctls.set(range, to: "20000 30001") == "20000\t30001")
        }
    }

    @Test("secrets, what is only written, directories and what has no value are not read") func unreadable()
        async throws
    {
        let cases: [(String, SystemError.Operation, Errno)] = [
            ("net.ipv4.tcp_fastopen_key", .openSysctl, .permissionDenied),
            ("net.ipv6.conf.all.stable_secret", .openSysctl, .permissionDenied),
            ("net.ipv4.route.flush", .openSysctl, .permissionDenied),
            ("net.ipv4", .openSysctl, .isDirectory), ("net.ipv4.none", .openSysctl, .noSuchFileOrDirectory),
        ]
        let keys = try cases.map { try Self.key($0.0) }
        try await inNamespace { () throws(SystemError) in
            for (key, (_, operation, errno)) in zip(keys, cases) {
                #expect(throws: SystemError(operation, key.path, errno: errno)) { try Sysctls.value(of: key) }
            }
            let all = try Sysctls.all(prefix: "", where: { _ in true })
            #expect(Set(all.map(\.key)).isDisjoint(with: keys))
            #expect(all.map(\.key) == all.map(\.key).sorted())
            #expect(all.count > 100)
            #expect(try Sysctls.set(keys[0], to: "00000001-00000002-00000003-00000004").hasPrefix("00000001-"))
            #expect(throws: SystemError(.openSysctl, keys[2].path, errno: .permissionDenied)) {
                try Sysctls.set(keys[2], to: "1")
            }
        }
    }

    @Test("a list has what its prefix and its filter leave, with the same values") func list() async throws {
        try await inNamespace { () throws(SystemError) in
            let all = try Sysctls.all(prefix: "", where: { _ in true })
            let prefixes = [
                "net.ipv6.conf.lo.", "net.ipv4.ip_f", "net.ipv4.ip_forward", "net.", "n", "x", "net.ipv4.ip_forward.",
            ]
            for prefix in prefixes {
                let listed = try Sysctls.all(prefix: prefix, where: { !$0.text.contains("mtu") })
                let expected = all.filter { $0.key.text.hasPrefix(prefix) && !$0.key.text.contains("mtu") }
                #expect(listed.map(\.key) == expected.map(\.key), "\(prefix)")
            }
            for (key, value) in all where key.text.hasPrefix("net.ipv4.conf.") {
                #expect(try Sysctls.value(of: key) == value)
            }
        }
    }
}
