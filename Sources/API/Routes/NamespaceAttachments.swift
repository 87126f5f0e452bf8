import CNI
import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore

extension Route {
    /// `/v1/namespaces/{name}/attachments`
    static func attachments(_ attachments: Attachments, _ answers: AnswerStore) -> Route {
        Route(
            "/v1/namespaces/{name}/attachments",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await list(call, attachments) }),
                (
                    .post, .change,
                    .awaiting { (call, body) async throws(Problem) in
                        try await attach(call, body, attachments, answers)
                    }
                ),
            ])
    }

    /// `/v1/namespaces/{name}/attachments/{attachment}`
    static func attachment(_ attachments: Attachments) -> Route {
        Route(
            "/v1/namespaces/{name}/attachments/{attachment}",
            [
                (.get, .read, .awaiting { (call, _) async throws(Problem) in try await get(call, attachments) }),
                (
                    .delete, .change,
                    .awaiting { (call, _) async throws(Problem) in try await detach(call, attachments) }
                ),
            ])
    }

    /// `/v1/namespaces/{name}/attachments/{attachment}/check`
    static func attachmentCheck(_ attachments: Attachments) -> Route {
        Route(
            "/v1/namespaces/{name}/attachments/{attachment}/check",
            [
                (
                    .post, .change,
                    .awaiting { (call, body) async throws(Problem) in try await check(call, body, attachments) }
                )
            ])
    }
}

private func list(_ call: Call, _ attachments: Attachments) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    do throws(NamespaceError) {
        let list = try await attachments.attachments(of: name)
        return .json { writer in
            writer.key("attachments")
            writer.array(of: list) { (writer, attachment) in
                writer.object { $0.members(of: attachment) }
            }
        }
    } catch {
        throw Problem(error)
    }
}

private func attach(
    _ call: Call, _ body: [UInt8], _ attachments: Attachments, _ answers: AnswerStore
) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    let order = try AttachBody.order(
        try Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: AttachBody.fields))
    return try await answerOnce(call, body, answers) { (mark, _) async throws(Problem) in
        var order = order
        order.request = mark
        do throws(NamespaceError) {
            return .created(try await attachments.attach(name, order, by: call.authority), of: name)
        } catch {
            var problem = Problem(error)
            if error.code == .networkNotFound { problem.field = "network" }
            throw problem
        }
    }
}

private func get(_ call: Call, _ attachments: Attachments) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    let id = try call.attachmentID()
    do throws(NamespaceError) {
        return .attachment(try await attachments.attachment(name, id))
    } catch {
        throw Problem(error)
    }
}

private func detach(_ call: Call, _ attachments: Attachments) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    let id = try call.attachmentID()
    do throws(NamespaceError) {
        try await attachments.detach(name, id, by: call.authority)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}

private func check(_ call: Call, _ body: [UInt8], _ attachments: Attachments) async throws(Problem) -> Response {
    _ = try Query(call.target, allowing: [])
    let name = try call.namespaceName()
    _ = try Fields(body: body, depth: call.admission.limits.jsonDepth, allowing: [])
    let id = try call.attachmentID()
    do throws(NamespaceError) {
        try await attachments.check(name, id, by: call.authority)
        return Response(status: .noContent)
    } catch {
        throw Problem(error)
    }
}

extension Call {
    /// The name of a file in the cache, which other tools may have put there: of what characters is for them to choose.
    fileprivate func attachmentID() throws(Problem) -> String {
        guard item.count <= Attachments.longestID else {
            throw Problem(.invalidName, "The attachment in the path has at most \(Attachments.longestID) bytes.")
        }
        return String(decoding: item, as: UTF8.self)
    }
}
