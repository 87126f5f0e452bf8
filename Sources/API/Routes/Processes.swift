import HTTPTypes
import JSONText
import LinuxKit
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/v1/namespaces/{name}/processes`
    static func processes(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/namespaces/{name}/processes",
            [(.get, .inspect, .awaiting { (call, _) async throws(Problem) in try await list(call, manager) })])
    }

    /// `/v1/processes/{pid}/namespace`
    static func processNamespace(_ manager: NamespaceManager) -> Route {
        Route(
            "/v1/processes/{pid}/namespace",
            [(.get, .inspect, .awaiting { (call, _) async throws(Problem) in try await identify(call, manager) })])
    }
}

private func list(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        let processes = try await manager.processes(in: name, by: call.authority)
        return .json { writer in
            writer.key("processes")
            writer.array(of: processes) { (writer, process) in
                writer.object { writer in
                    writer.member("pid", process.pid)
                    writer.member("command", process.command)
                    writer.member("arguments", process.arguments)
                    writer.member("startedAt", Timestamp(sinceEpoch: process.startedAt).description)
                }
            }
        }
    } catch {
        throw Problem(error)
    }
}

private func identify(_ call: Call, _ manager: NamespaceManager) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let text = String(decoding: call.name, as: UTF8.self)
    guard let process = Int32(text), process > 0, String(process) == text else {
        throw Problem(.invalidName, "The path has the number of a process, from 1 to \(Int32.max).")
    }
    do throws(NamespaceError) {
        let location = try await manager.location(of: process)
        return .json { writer in
            writer.member("pid", location.process)
            writer.member("inode", location.inode)
            writer.member("device", location.device)
            writer.member("names", location.names.map(\.description))
        }
    } catch {
        throw Problem(error)
    }
}
