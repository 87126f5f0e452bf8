import Foundation

extension DaemonHome {
    /// Runs a program inside one of the daemon's namespaces.
    package func inside(_ name: String, _ program: String, _ arguments: [String]) async throws -> Command {
        try await Command.run("nsenter", ["--net=\(netnsDirectory)/\(name)", program] + arguments)
    }

    /// Changes something with ip(8) inside; the words of `arguments` are separated by spaces.
    package func ip(_ name: String, _ arguments: String) async throws {
        let command = try await inside(name, "ip", arguments.split(separator: " ").map(String.init))
        guard command.status == 0 else { throw TestFailure("ip \(arguments): \(command.errors)") }
    }

    /// What ip(8) says in JSON, without the empty objects that it prints for what it leaves out.
    package func ipJSON(_ name: String, _ arguments: String) async throws -> [JSONValue] {
        try await json(name, "ip", "-j \(arguments)")
    }

    /// A link as ip(8) sees it; nil where it sees none.
    package func ipLink(_ name: String, _ link: String) async throws -> JSONValue? {
        try await ipJSON(name, "-d -s link show").first { $0["ifname"]?.string == link }
    }

    /// The names of the links that ip(8) sees, in their order.
    package func ipLinks(_ name: String) async throws -> [String] {
        try await ipJSON(name, "link show").compactMap { $0["ifname"]?.string }
    }

    /// The queueing disciplines of a link as tc(8) sees them.
    package func queueDisciplines(_ name: String, _ link: String) async throws -> [JSONValue] {
        try await json(name, "tc", "-j qdisc show dev \(link)")
    }

    private func json(_ name: String, _ program: String, _ arguments: String) async throws -> [JSONValue] {
        let command = try await inside(name, program, arguments.split(separator: " ").map(String.init))
        guard command.status == 0 else { throw TestFailure("\(program) \(arguments): \(command.errors)") }
        guard command.output.contains(where: { $0 > 0x20 }) else { return [] }
        return (try JSONValue(parsing: command.output).array ?? []).filter { $0 != .object([:]) }
    }

    /// The records of wires, finished and unfinished.
    package var wireRecords: [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: stateDirectory + "/wires")) ?? []).sorted()
    }
}

extension Daemon {
    /// Makes namespaces of these names.
    package func makeNamespaces(_ names: [String]) async throws {
        for name in names {
            let response = try await send("PUT", "/v1/namespaces/\(name)")
            guard response.status == 201 else { throw TestFailure("\(name): \(response.text)") }
        }
    }

    /// Makes one request that must be answered with `status`, and answers its JSON, null for none.
    @discardableResult
    package func expect(_ status: Int, _ method: String, _ path: String, _ body: String? = nil) async throws
        -> JSONValue
    {
        let response = try await send(method, path, body: body)
        guard response.status == status else {
            throw TestFailure("\(method) \(path) \(body ?? ""): \(response.status) \(response.text)")
        }
        return response.body.isEmpty ? .null : try response.json
    }

    /// The code of the problem that a request must be answered with.
    package func problem(_ method: String, _ path: String, _ body: String? = nil) async throws -> String? {
        try await send(method, path, body: body).problem
    }
}

/// Whether the kernel has a kind of link, by what ip(8) says in a namespace that is gone afterwards.
package func kernelHas(linkKind kind: String, _ arguments: String = "") async throws -> Bool {
    let script = "ip link add p0 type veth peer name p1 && ip link add x0 \(arguments) type \(kind) && exit 0; exit 3"
    return try await Command.run("unshare", ["--net", "sh", "-c", script]).status == 0
}

/// Whether the kernel has netem, by what tc(8) says.
package func kernelHasNetem() async throws -> Bool {
    try await Command.run("unshare", ["--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"])
        .status == 0
}
