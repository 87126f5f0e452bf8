extension HostileRequest {
    /// What the request is for.
    static let targets: [HostileRequest] = [
        HostileRequest("absolute-form", get("http://a/healthz"), .sound(200), .open),
        HostileRequest("absolute-form in capitals", get("HTTP://A/healthz"), .sound(200), .open),
        HostileRequest(
            "absolute-form for another host", get("http://b/healthz"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "absolute-form for another port", get("http://a:81/healthz"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "absolute-form with user information", get("http://u:p@a/healthz"), .problem(400, "malformed-request"),
            .closed),
        HostileRequest(
            "absolute-form of https in the clear", get("https://a/healthz"), .problem(400, "malformed-request"), .closed
        ),
        HostileRequest("absolute-form of ftp", get("ftp://a/healthz"), .problem(400, "malformed-request"), .closed),
        HostileRequest("absolute-form of file", get("file:///etc/passwd"), .problem(400, "malformed-request"), .closed),
        HostileRequest("absolute-form without a path", get("http://a"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "absolute-form without a host", get("http:///healthz"), .problem(400, "malformed-request"), .closed),
        HostileRequest("scheme-relative target", get("//a/healthz"), .problem(404, "route-not-found"), .open),
        HostileRequest(
            "asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", .problem(400, "malformed-request"), .closed),
        HostileRequest("asterisk-form of GET", get("*"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "authority-form", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "CONNECT with a path", "CONNECT /healthz HTTP/1.1\r\nHost: a\r\n\r\n", .problem(405, "method-not-allowed"),
            .open),
        HostileRequest(
            "TRACE", "TRACE /healthz HTTP/1.1\r\nHost: a\r\n\r\n", .problem(405, "method-not-allowed"), .open),
        HostileRequest("target without a slash", get("healthz"), .problem(400, "malformed-request"), .closed),
        HostileRequest("fragment", get("/healthz#x"), .problem(400, "malformed-request"), .closed),
        HostileRequest("encoded slash in a route", get("/v1%2Fnamespaces"), .problem(404, "route-not-found"), .open),
        HostileRequest("encoded slash in a name", get("/v1/namespaces/a%2Fb"), .problem(400, "invalid-name"), .open),
        HostileRequest("encoded NUL", get("/v1/namespaces/a%00b"), .problem(400, "malformed-request"), .closed),
        HostileRequest("encoded NUL and dots", get("/a%2Fb%00c/../x"), .problem(400, "malformed-request"), .closed),
        HostileRequest("dot segment", get("/v1/./namespaces"), .problem(400, "malformed-request"), .open),
        HostileRequest(
            "dot-dot segment", get("/v1/namespaces/../../healthz"), .problem(400, "malformed-request"), .open),
        HostileRequest("encoded dot-dot segment", get("/v1/%2e%2E/healthz"), .problem(400, "malformed-request"), .open),
        HostileRequest(
            "dots twice encoded", get("/v1/namespaces/%252e%252e"), .problem(404, "namespace-not-found"), .open),
        HostileRequest("broken escape", get("/v1/namespaces/%zz"), .problem(400, "malformed-request"), .open),
        HostileRequest("cut escape", get("/v1/namespaces/%2"), .problem(400, "malformed-request"), .open),
        HostileRequest(
            "overlong slash in a name", get("/v1/namespaces/a%c0%afb"), .problem(404, "namespace-not-found"), .open),
        HostileRequest(
            "invalid UTF-8 in a name", get("/v1/namespaces/%ff"), .problem(404, "namespace-not-found"), .open),
        HostileRequest(
            "invalid UTF-8 in a new name", "PUT /v1/namespaces/%ff HTTP/1.1\r\nHost: a\r\n\r\n",
            .problem(400, "invalid-name"), .open),
        HostileRequest(
            "invalid UTF-8 in a label", get("/v1/namespaces?label=%ff"), .problem(400, "invalid-parameter"), .open),
        HostileRequest(
            "overlong UTF-8 in a parameter's name", get("/v1/namespaces?%c0%af=1"), .problem(400, "invalid-parameter"),
            .open),
        HostileRequest(
            "invalid UTF-8 in a number", get("/v1/namespaces?limit=%ff"), .problem(400, "invalid-parameter"), .open),
        HostileRequest("invalid UTF-8 in a prefix of names", get("/v1/namespaces?prefix=%ff"), .sound(200), .open),
        HostileRequest("NUL in a query", get("/v1/namespaces?prefix=%00"), .problem(400, "malformed-request"), .closed),
        HostileRequest("raw UTF-8 in the target", get("/v1/namespaces/é"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "control character in the target", get("/v1/\u{1}"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "tab in the target", "GET /healthz\tx HTTP/1.1\r\nHost: a\r\n\r\n", .problem(400, "malformed-request"),
            .closed),
        HostileRequest(
            "two spaces before the target", "GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "two spaces before the version", "GET /healthz  HTTP/1.1\r\nHost: a\r\n\r\n",
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "space in the target", "GET /healthz x HTTP/1.1\r\nHost: a\r\n\r\n", .problem(400, "malformed-request"),
            .closed),
        HostileRequest("space behind the version", "GET /healthz HTTP/1.1 \r\nHost: a\r\n\r\n", .library(400), .closed),
        HostileRequest("backslash", get("/v1\\namespaces"), .problem(404, "route-not-found"), .open),
        HostileRequest("empty segments", get("/v1//namespaces"), .problem(404, "route-not-found"), .open),
        HostileRequest(
            "name of 256 bytes", get("/v1/namespaces/\(run("a", 256))"), .problem(400, "invalid-name"), .open),
    ]

    /// Versions, methods and sizes.
    static let rest: [HostileRequest] = [
        HostileRequest("version HTTP/2.0", "GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", .library(505), .closed),
        HostileRequest(
            "version HTTP/1.2", "GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", .problem(400, "malformed-request"), .closed),
        HostileRequest("version HTTP/0.9", "GET /healthz HTTP/0.9\r\nHost: a\r\n\r\n", .library(505), .closed),
        HostileRequest("version HTTP/1.10", "GET /healthz HTTP/1.10\r\nHost: a\r\n\r\n", .library(400), .closed),
        HostileRequest("version http/1.1", "GET /healthz http/1.1\r\nHost: a\r\n\r\n", .library(400), .closed),
        HostileRequest("version HTTP/11", "GET /healthz HTTP/11\r\nHost: a\r\n\r\n", .library(400), .closed),
        HostileRequest("version HTP/1.1", "GET /healthz HTP/1.1\r\nHost: a\r\n\r\n", .library(400), .closed),
        HostileRequest("version HTTP/1.1x", "GET /healthz HTTP/1.1x\r\nHost: a\r\n\r\n", .library(400), .closed),
        HostileRequest("no version", "GET /healthz\r\nHost: a\r\n\r\n", .library(400), .closed),
        HostileRequest("no target", "GET\r\nHost: a\r\n\r\n", .nothing, .closed),
        HostileRequest(
            "lower-case method", "get /healthz HTTP/1.1\r\nHost: a\r\n\r\n", .problem(405, "method-not-allowed"), .open),
        HostileRequest(
            "unknown method", "BREW /healthz HTTP/1.1\r\nHost: a\r\n\r\n", .problem(405, "method-not-allowed"), .open),
        HostileRequest(
            "method that is no token", "G@T /healthz HTTP/1.1\r\nHost: a\r\n\r\n", .problem(400, "malformed-request"),
            .closed),
        HostileRequest("preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .library(505), .closed),
        HostileRequest("TLS hello", "\u{16}\u{3}\u{1}\0\u{5}\u{1}\0\0\u{1}\0\r\n\r\n", .nothing, .closed),
        HostileRequest("HTTP/1.0", "GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n", .sound(200), .closed),
        HostileRequest(
            "HTTP/1.0 and keep-alive", "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", .sound(200), .open),
        HostileRequest("Connection: close", get(fields: "Host: a\r\nConnection: close\r\n"), .sound(200), .closed),
        HostileRequest("target of 17,000 bytes", get("/\(run("a", 17000))"), .problem(414, "target-too-long"), .closed),
        HostileRequest("target of 200,000 bytes", get("/\(run("a", 200000))"), .library(414), .closed),
        HostileRequest(
            "header section of 17,000 bytes", get(fields: "Host: a\r\nX: \(run("a", 17000))\r\n"),
            .problem(431, "headers-too-large"), .closed),
        HostileRequest(
            "header section of 200,000 bytes", get(fields: "Host: a\r\nX: \(run("a", 200000))\r\n"), .library(431),
            .closed),
        HostileRequest("3,000 fields", get(fields: "Host: a\r\n\(run("X: a\r\n", 3000))"), .library(431), .closed),
        HostileRequest("200 fields", get(fields: "Host: a\r\n\(run("X: a\r\n", 200))"), .sound(200), .open),
        HostileRequest(
            "body announced beyond the limit", post("Content-Length: 65537\r\n\r\n"),
            .problem(413, "content-too-large"), .closed),
        HostileRequest(
            "body to a path that is not", "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
            .problem(404, "route-not-found"), .closed),
        HostileRequest(
            "body of another type",
            "POST /v1/namespaces HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
            .problem(415, "unsupported-media-type"), .closed),
        HostileRequest(
            "GET with a body announced beyond what any path takes",
            "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n",
            .problem(413, "content-too-large"), .closed),
        HostileRequest(
            "GET with a body announced without end",
            "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n",
            .problem(413, "content-too-large"), .closed),
        HostileRequest(
            "GET with a body of the longest length that never comes",
            "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n", .sound(200), .closed),
        HostileRequest(
            "body announced beyond what any path takes to a path that is not",
            "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n",
            .problem(413, "content-too-large"), .closed),
        HostileRequest(
            "body announced beyond what any path takes with an Origin",
            "POST /v1/namespaces HTTP/1.1\r\nHost: a\r\nOrigin: x\r\nContent-Length: 1048577\r\n\r\n",
            .problem(413, "content-too-large"), .closed),
        HostileRequest(
            "batch announced beyond the limit",
            "POST /v1/namespaces:batch HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n",
            .problem(413, "content-too-large"), .closed),
        HostileRequest(
            "JSON too deep", post("Content-Length: 68\r\n\r\n\(run("[", 34))\(run("]", 34))"),
            .problem(400, "malformed-json"), .open),
        HostileRequest(
            "GET with a body", "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", .sound(200), .closed),
        HostileRequest(
            "a smuggled request",
            post(
                "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nDELETE /v1/namespaces/a HTTP/1.1\r\nHost: a\r\n\r\n"
            ), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "two requests at once", get(fields: "Host: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n"), .sound(200),
            .open),
    ]
}
