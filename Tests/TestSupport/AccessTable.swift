import Glibc

/// Who may use what: a row for each operation of the API. Tests hold the table of routes, the description and the running
/// daemon to it, so that none can be added without one.
package struct AccessRow: Sendable, CustomStringConvertible {
    /// As the description has it.
    package let method: String
    package let template: String
    /// The least role; nil for what everybody may ask.
    package let role: String?
    /// The right that a refusal names.
    package let right: String
    /// What to ask, and what those are answered who may.
    package let path: String
    package let body: String?
    package let answers: Set<Int>

    private init(
        _ method: String, _ template: String, _ role: String?, _ right: String, _ path: String? = nil,
        body: String? = nil, answers: Set<Int>
    ) {
        self.method = method
        self.template = template
        self.role = role
        self.right = right
        self.path = path ?? template
        self.body = body
        self.answers = answers
    }

    package var operation: String { "\(method) \(template)" }
    package var description: String { operation }

    /// The roles, each with what the ones before it may do.
    package static let roles = ["viewer", "operator", "admin"]

    /// Whether somebody of that role may.
    package func admits(_ role: String) -> Bool {
        guard let least = self.role else { return true }
        return (Self.roles.firstIndex(of: role) ?? -1) >= (Self.roles.firstIndex(of: least) ?? .max)
    }

    package static let all =
        [
            AccessRow("GET", "/healthz", nil, "open", answers: [200]),
            AccessRow("GET", "/readyz", "viewer", "read", answers: [200]),
            AccessRow("GET", "/openapi.yaml", "viewer", "read", answers: [200]),
            AccessRow("GET", "/metrics", "viewer", "read", answers: [200]),
            AccessRow("GET", "/v1/version", "viewer", "read", answers: [200]),
            AccessRow("GET", "/v1/host", "viewer", "read", answers: [200]),
            AccessRow("GET", "/v1/events", "viewer", "read", "/v1/events?since=0&wait=1", answers: [410]),
            AccessRow("GET", "/v1/namespaces", "viewer", "read", answers: [200]),
            AccessRow("GET", "/v1/namespaces/{name}", "viewer", "read", "/v1/namespaces/none", answers: [404]),
            AccessRow("POST", "/v1/namespaces", "operator", "create", body: "{}", answers: [201]),
            AccessRow(
                "PUT", "/v1/namespaces/{name}", "operator", "create", "/v1/namespaces/m", body: "{}",
                answers: [200, 201]),
            AccessRow("POST", "/v1/namespaces:batch", "operator", "create", body: #"{"items":[{}]}"#, answers: [200]),
            AccessRow(
                "PATCH", "/v1/namespaces/{name}", "operator", "change", "/v1/namespaces/none", body: "{}",
                answers: [404]),
            AccessRow(
                "POST", "/v1/namespaces/{name}/renew", "operator", "change", "/v1/namespaces/none/renew", answers: [404]
            ),
            AccessRow("DELETE", "/v1/namespaces/{name}", "operator", "delete", "/v1/namespaces/none", answers: [404]),
            AccessRow("DELETE", "/v1/namespaces", "operator", "delete", "/v1/namespaces?label=none=x", answers: [200]),
            AccessRow(
                "GET", "/v1/namespaces/{name}/processes", "operator", "inspect", "/v1/namespaces/none/processes",
                answers: [404]),
            AccessRow(
                "GET", "/v1/processes/{pid}/namespace", "operator", "inspect", "/v1/processes/\(getpid())/namespace",
                answers: [200]),
            AccessRow("POST", "/v1/namespaces:prune", "admin", "prune", answers: [200]),
        ] + inside + attachments

    /// What CNI plugins put into a namespace.
    private static let attachments = [
        AccessRow(
            "GET", "/v1/namespaces/{name}/attachments", "viewer", "read", "/v1/namespaces/none/attachments",
            answers: [404]),
        AccessRow(
            "POST", "/v1/namespaces/{name}/attachments", "operator", "change", "/v1/namespaces/none/attachments",
            body: #"{"network":"none"}"#, answers: [404]),
        AccessRow(
            "GET", "/v1/namespaces/{name}/attachments/{attachment}", "viewer", "read",
            "/v1/namespaces/none/attachments/none", answers: [404]),
        AccessRow(
            "DELETE", "/v1/namespaces/{name}/attachments/{attachment}", "operator", "change",
            "/v1/namespaces/none/attachments/none", answers: [404]),
        AccessRow(
            "POST", "/v1/namespaces/{name}/attachments/{attachment}/check", "operator", "change",
            "/v1/namespaces/none/attachments/none/check", answers: [404]),
    ]

    private static let inside = [
        AccessRow(
            "GET", "/v1/namespaces/{name}/links", "viewer", "read", "/v1/namespaces/none/links", answers: [404]),
        AccessRow(
            "POST", "/v1/namespaces/{name}/links", "operator", "change", "/v1/namespaces/none/links",
            body: #"{"name":"x","kind":"ifb"}"#, answers: [404]),
        AccessRow(
            "GET", "/v1/namespaces/{name}/addresses", "viewer", "read", "/v1/namespaces/none/addresses", answers: [404]),
        AccessRow(
            "POST", "/v1/namespaces/{name}/addresses", "operator", "change", "/v1/namespaces/none/addresses",
            body: #"{"link":"lo","address":"10.0.0.1/24"}"#, answers: [404]),
        AccessRow(
            "PUT", "/v1/namespaces/{name}/addresses", "operator", "change", "/v1/namespaces/none/addresses",
            body: #"{"link":"lo","address":"10.0.0.1/24"}"#, answers: [404]),
        AccessRow(
            "DELETE", "/v1/namespaces/{name}/addresses", "operator", "change",
            "/v1/namespaces/none/addresses?link=lo&address=10.0.0.1/24", answers: [404]),
        AccessRow(
            "GET", "/v1/namespaces/{name}/routes", "viewer", "read", "/v1/namespaces/none/routes", answers: [404]),
        AccessRow(
            "POST", "/v1/namespaces/{name}/routes", "operator", "change", "/v1/namespaces/none/routes",
            body: #"{"destination":"default","gateway":"10.0.0.1"}"#, answers: [404]),
        AccessRow(
            "PUT", "/v1/namespaces/{name}/routes", "operator", "change", "/v1/namespaces/none/routes",
            body: #"{"destination":"default","gateway":"10.0.0.1"}"#, answers: [404]),
        AccessRow(
            "DELETE", "/v1/namespaces/{name}/routes", "operator", "change",
            "/v1/namespaces/none/routes?destination=default", answers: [404]),
        AccessRow(
            "GET", "/v1/namespaces/{name}/neighbours", "viewer", "read", "/v1/namespaces/none/neighbours",
            answers: [404]),
        AccessRow(
            "POST", "/v1/namespaces/{name}/neighbours", "operator", "change", "/v1/namespaces/none/neighbours",
            body: #"{"link":"lo","address":"10.0.0.2","mac":"02:00:00:00:00:02"}"#, answers: [404]),
        AccessRow(
            "PUT", "/v1/namespaces/{name}/neighbours", "operator", "change", "/v1/namespaces/none/neighbours",
            body: #"{"link":"lo","address":"10.0.0.2","mac":"02:00:00:00:00:02"}"#, answers: [404]),
        AccessRow(
            "DELETE", "/v1/namespaces/{name}/neighbours", "operator", "change",
            "/v1/namespaces/none/neighbours?link=lo&address=10.0.0.2", answers: [404]),
        AccessRow(
            "GET", "/v1/namespaces/{name}/rules", "viewer", "read", "/v1/namespaces/none/rules", answers: [404]),
        AccessRow(
            "POST", "/v1/namespaces/{name}/rules", "operator", "change", "/v1/namespaces/none/rules",
            body: #"{"priority":100,"table":100}"#, answers: [404]),
        AccessRow(
            "DELETE", "/v1/namespaces/{name}/rules", "operator", "change", "/v1/namespaces/none/rules?priority=100",
            answers: [404]),
        AccessRow(
            "GET", "/v1/namespaces/{name}/links/{link}", "viewer", "read", "/v1/namespaces/none/links/lo",
            answers: [404]),
        AccessRow(
            "PATCH", "/v1/namespaces/{name}/links/{link}", "operator", "change", "/v1/namespaces/none/links/lo",
            body: "{}", answers: [404]),
        AccessRow(
            "DELETE", "/v1/namespaces/{name}/links/{link}", "operator", "change", "/v1/namespaces/none/links/lo",
            answers: [404]),
        AccessRow("GET", "/v1/namespaces/{name}/watch", "viewer", "read", "/v1/namespaces/none/watch", answers: [404]),
        AccessRow(
            "PUT", "/v1/namespaces/{name}/watch", "operator", "change", "/v1/namespaces/none/watch", answers: [404]),
        AccessRow(
            "DELETE", "/v1/namespaces/{name}/watch", "operator", "change", "/v1/namespaces/none/watch", answers: [404]),
        AccessRow(
            "GET", "/v1/namespaces/{name}/sysctls", "viewer", "read", "/v1/namespaces/none/sysctls", answers: [404]),
        AccessRow(
            "GET", "/v1/namespaces/{name}/sysctls/{key}", "viewer", "read",
            "/v1/namespaces/none/sysctls/net.ipv4.ip_forward", answers: [404]),
        AccessRow(
            "PUT", "/v1/namespaces/{name}/sysctls/{key}", "operator", "change",
            "/v1/namespaces/none/sysctls/net.ipv4.ip_forward", body: #"{"value":"1"}"#, answers: [404]),
        AccessRow("GET", "/v1/namespaces/{name}/dns", "viewer", "read", "/v1/namespaces/none/dns", answers: [404]),
        AccessRow(
            "PUT", "/v1/namespaces/{name}/dns", "operator", "change", "/v1/namespaces/none/dns", body: "{}",
            answers: [404]),
        AccessRow(
            "DELETE", "/v1/namespaces/{name}/dns", "operator", "change", "/v1/namespaces/none/dns", answers: [404]),
        AccessRow("GET", "/v1/wires", "viewer", "read", answers: [200]),
        AccessRow(
            "POST", "/v1/wires", "operator", "change",
            body: #"{"a":{"namespace":"none","link":"x"},"b":{"namespace":"none","link":"y"}}"#, answers: [404]),
        AccessRow("GET", "/v1/wires/{id}", "viewer", "read", "/v1/wires/none", answers: [404]),
        AccessRow("PATCH", "/v1/wires/{id}", "operator", "change", "/v1/wires/none", body: "{}", answers: [404]),
        AccessRow("DELETE", "/v1/wires/{id}", "operator", "change", "/v1/wires/none", answers: [404]),
    ]
}
