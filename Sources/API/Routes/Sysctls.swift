import HTTPTypes
import JSONText
import LinuxKit
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/v1/namespaces/{name}/sysctls`
    ///
    /// - Parameter allowed: The sysctls that clients may read and set.
    static func sysctls(_ manager: NamespaceManager, allowed: SysctlAllowList) -> Route {
        Route(
            "/v1/namespaces/{name}/sysctls",
            [(.get, .read, .awaiting { (call, _) async throws(Problem) in try await list(call, manager, allowed) })])
    }

    /// `/v1/namespaces/{name}/sysctls/{key}`
    ///
    /// - Parameter allowed: The sysctls that clients may read and set.
    static func sysctl(_ manager: NamespaceManager, allowed: SysctlAllowList) -> Route {
        Route(
            "/v1/namespaces/{name}/sysctls/{key}",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await get(call, manager, allowed) }),
                (
                    .put, .change,
                    .awaiting { (call, body) async throws(Problem) in try await put(call, body, manager, allowed) }
                ),
            ])
    }
}

private func list(
    _ call: Call, _ manager: NamespaceManager, _ allowed: SysctlAllowList
) async throws(Problem) -> Response {
    let query = try Query(call.target, allowing: ["prefix"])
    let name = try call.namespaceName()
    let prefix = String(decoding: query.bytes("prefix") ?? [], as: UTF8.self)
    do throws(NamespaceError) {
        let sysctls = try await manager.sysctls(of: name, allowed: allowed, prefix: prefix)
        return .json { writer in
            writer.member("sysctls") { writer in
                for sysctl in sysctls { writer.member(named: sysctl.key.text, sysctl.value) }
            }
        }
    } catch {
        throw Problem(error)
    }
}

private func get(
    _ call: Call, _ manager: NamespaceManager, _ allowed: SysctlAllowList
) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let (name, key) = (try call.namespaceName(), try call.sysctlKey(allowed))
    do throws(NamespaceError) {
        return .sysctl(try await manager.sysctl(key, of: name))
    } catch {
        throw Problem(error)
    }
}

/// A value is written in one go, and a sysctl takes no more than a page.
private let longestValue = 4095

private func put(
    _ call: Call, _ body: [UInt8], _ manager: NamespaceManager, _ allowed: SysctlAllowList
) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let (name, key) = (try call.namespaceName(), try call.sysctlKey(allowed))
    let fields = try Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: ["value"])
    guard let value = try fields.string("value") else {
        throw fields.problem("value", "A sysctl has its value, a string.")
    }
    let isPlain = value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == UInt8(ascii: "\t") }
    guard isPlain, value.utf8.count <= longestValue else {
        throw fields.problem("value", "The value is one line of up to \(longestValue) bytes.")
    }
    do throws(NamespaceError) {
        return .sysctl(try await manager.setSysctl(key, of: name, to: value, by: call.authority))
    } catch {
        throw Problem(error)
    }
}

extension Call {
    /// The key in the path, if clients may read and set it.
    fileprivate func sysctlKey(_ allowed: SysctlAllowList) throws(Problem) -> SysctlKey {
        guard let key = SysctlKey(item) else { throw Problem(.invalidName, SysctlKey.rule) }
        guard allowed.allows(key) else {
            throw Problem(.sysctlNotAllowed, "The daemon is not configured to let this sysctl be read or set.")
        }
        return key
    }
}

extension Response {
    fileprivate static func sysctl(_ sysctl: Sysctl) -> Response {
        .json { writer in
            writer.member("key", sysctl.key.text)
            writer.member("value", sysctl.value)
        }
    }
}
