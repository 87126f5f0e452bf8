import HTTPTypes
import JSONText
import LinuxKit
import MicroHTTP
import NamespaceCore

extension Response {
    /// An answer whose body is the object with the members that `members` writes.
    static func json(
        status: HTTPResponse.Status = .ok, type: String = "application/json", _ members: (inout JSONWriter) -> Void
    ) -> Response {
        Response(
            status: status, headerFields: [.contentType: type], body: JSONWriter.text { $0.object(members) })
    }

    /// 200 with a namespace.
    static func namespace(_ namespace: Namespace, status: HTTPResponse.Status = .ok) -> Response {
        var response = Response.json(status: status) { $0.members(of: namespace) }
        response.headerFields[.eTag] = "\"\(namespace.tag)\""
        return response
    }

    /// 201 with a namespace and where it is.
    static func created(_ namespace: Namespace) -> Response {
        var response = Response.namespace(namespace, status: .created)
        response.headerFields[.location] = "/v1/namespaces/\(namespace.name.pathSegment)"
        return response
    }
}

extension JSONWriter {
    /// A namespace's members; every one is always there, null where the kernel or our records have nothing to say.
    mutating func members(of namespace: Namespace) {
        let status = namespace.status
        member("name", namespace.name.description)
        member("path", namespace.path)
        member("state", namespace.state.rawValue)
        member("origin", namespace.origin.rawValue)
        member("inode", status?.identity.inode)
        member("device", status?.identity.device)
        member("cookie", status?.identity.cookie)
        member("createdAt", namespace.record?.createdAt.description)
        member("loopback", status.map { $0.isLoopbackUp ? "up" : "down" })
        member("labels", namespace.record?.labels.values ?? [:])
        key("createdBy")
        if let owner = namespace.record?.createdBy {
            object { writer in
                writer.member("principal", owner.principal)
                writer.member("uid", owner.user)
                writer.member("pid", owner.process)
            }
        } else {
            null()
        }
        key("lease")
        if let lease = namespace.record?.lease {
            object { writer in
                writer.member("seconds", lease.seconds)
                writer.member("expiresAt", namespace.expiresAt?.description)
            }
        } else {
            null()
        }
    }
}
