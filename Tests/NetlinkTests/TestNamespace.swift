import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import LinuxKit
@testable import Netlink

extension Tag {
    @Tag static var kernel: Self
}

/// A network namespace that a descriptor of the test's keeps alive and that no directory names.
final class TestNamespace: Sendable {
    let descriptor: OwnedDescriptor
    private let workers: KernelWorkers

    init(_ workers: KernelWorkers) async throws {
        self.workers = workers
        let opened = try await workers.run { (thread) throws(SystemError) in
            try thread.inNewNetworkNamespace { () throws(SystemError) in
                Handle(try OwnedDescriptor.open("/proc/thread-self/ns/net", O_RDONLY))
            }
        }
        let duplicate = fcntl(opened.descriptor.rawValue, F_DUPFD_CLOEXEC, 3)
        guard duplicate >= 0 else { throw TestFailure("fcntl: \(errno)") }
        descriptor = OwnedDescriptor(owning: duplicate)
    }

    private final class Handle: Sendable {
        let descriptor: OwnedDescriptor
        init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }
    }

    /// Does something with a socket that is of this namespace, on a thread that is not in it any more.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable (NetlinkSocket) throws(SystemError) -> Value
    ) async throws -> Value {
        try await workers.run { [self] (thread) throws(SystemError) in
            let socket = try thread.inNetworkNamespace(descriptor, path: "test") { () throws(SystemError) in
                try NetlinkSocket.open()
            }
            return try body(socket)
        }
    }

    /// Does something on a thread that is in this namespace.
    func inside<Value: Sendable>(
        _ body: @escaping @Sendable () throws(SystemError) -> Value
    ) async throws -> Value {
        try await workers.run { [self] (thread) throws(SystemError) in
            try thread.inNetworkNamespace(descriptor, path: "test", body)
        }
    }

    var path: String { "/proc/\(getpid())/fd/\(descriptor.rawValue)" }

    /// Runs a program inside, which must succeed.
    @discardableResult
    func command(_ words: String) async throws -> Command {
        try await Command.check("nsenter", ["--net=\(path)"] + words.words)
    }

    /// What `ip -j` answers inside.
    func ip(_ words: String) async throws -> [JSONValue] {
        let output = try await command("ip -d -j \(words)").output
        guard !output.isEmpty else { return [] }
        // iproute2 writes an empty object for what a filter leaves out.
        return try (JSONValue(parsing: output).array ?? []).filter { $0.object?.isEmpty == false }
    }

    func index(of name: String) async throws -> LinkIndex {
        let name = try #require(LinkName(name))
        return try #require(try await run { (socket) throws(SystemError) in try socket.linkIndex(name) })
    }

    func link(_ name: String) async throws -> Link? {
        let name = try #require(LinkName(name))
        return try await run { (socket) throws(SystemError) in try socket.link(name) }
    }

    /// Creates a veth pair inside, both up, and answers the index of the first.
    @discardableResult
    func addPair(_ name: String = "a", _ peer: String = "b") async throws -> LinkIndex {
        try await command("ip link add name \(name) up type veth peer name \(peer)")
        try await command("ip link set dev \(peer) up")
        return try await index(of: name)
    }

    func perform(
        _ request: @escaping @Sendable () throws(SystemError) -> Request
    ) async throws {
        try await run { (socket) throws(SystemError) in try socket.perform(request()) }
    }
}

/// Gives `body` namespaces of its own, which are gone when it ends.
func withNamespaces(_ count: Int = 1, _ body: ([TestNamespace]) async throws -> Void) async throws {
    let workers = try KernelWorkers(count: 2)
    do {
        var namespaces: [TestNamespace] = []
        for _ in 0..<count { namespaces.append(try await TestNamespace(workers)) }
        try await body(namespaces)
    } catch {
        await workers.stop()
        throw error
    }
    await workers.stop()
}

/// The same with one.
func withNamespace(_ body: (TestNamespace) async throws -> Void) async throws {
    try await withNamespaces(1) { try await body($0[0]) }
}

extension JSONValue {
    /// Whether there is anything at the end of the keys.
    func has(_ path: String) -> Bool {
        let value: JSONValue? = self[path]
        return value.map { _ in true } ?? false
    }

    /// What is at the end of the keys, an array's elements by number.
    subscript(path: String) -> JSONValue? {
        var value: JSONValue? = self
        for key in path.split(separator: ".") {
            if let index = Int(key) {
                value = value?.array.flatMap { $0.indices.contains(index) ? $0[index] : nil }
            } else {
                value = value?.object?[String(key)]
            }
        }
        return value
    }
}

extension String {
    /// What is between the spaces.
    var words: [String] { split(separator: " ").map(String.init) }
}

func name(_ text: String) throws -> LinkName { try #require(LinkName(text)) }
func mac(_ text: String) throws -> MACAddress { try #require(MACAddress(text)) }
func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }
func prefix(_ text: String) throws -> IPPrefix { try #require(IPPrefix(text)) }
