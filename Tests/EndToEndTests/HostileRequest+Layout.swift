extension HostileRequest {
    /// How the header section is written.
    static let layout: [HostileRequest] = [
        HostileRequest(
            "obs-fold", get(fields: "Host: a\r\nX: b\r\n c\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "obs-fold with a tab", get(fields: "Host: a\r\nX: b\r\n\tc\r\n"), .problem(400, "malformed-request"),
            .closed),
        HostileRequest(
            "obs-fold of the last field's empty value", get(fields: "Host: a\r\nX:\r\n b\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "obs-fold of Host", get(fields: "Host: a\r\n b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "obs-fold of Transfer-Encoding", post("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "obs-fold before the first field", get(fields: " X: b\r\nHost: a\r\n"), .problem(400, "malformed-request"),
            .closed),
        HostileRequest(
            "obs-fold of nothing", get(fields: "Host: a\r\n \r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "NUL in a value", get(fields: "Host: a\r\nX: b\0c\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "NUL at a value's end", get(fields: "X: b\r\nHost: a\0\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "NUL as a value", get(fields: "Host: a\r\nX: \0\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("NUL in a name", get(fields: "Host: a\r\nX\0Y: b\r\n"), .library(400), .closed),
        HostileRequest("NUL in the target", get("/heal\0thz"), .problem(400, "malformed-request"), .closed),
        HostileRequest("NUL behind the target", get("/healthz\0"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "NUL in the method", "GE\0T /healthz HTTP/1.1\r\nHost: a\r\n\r\n", .problem(400, "malformed-request"),
            .closed),
        HostileRequest("NUL in the version", "GET /healthz HTTP/1.1\0\r\nHost: a\r\n\r\n", .library(400), .closed),
        HostileRequest(
            "a bell in a value", get(fields: "Host: a\r\nX: b\u{7}c\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "an escape in a value", get(fields: "Host: a\r\nX: b\u{1b}[31mc\r\n"), .problem(400, "malformed-request"),
            .closed),
        HostileRequest(
            "a delete in a value", get(fields: "Host: a\r\nX: b\u{7f}c\r\n"), .problem(400, "malformed-request"),
            .closed),
        HostileRequest(
            "a vertical tab in a value", get(fields: "Host: a\r\nX: b\u{b}c\r\n"), .problem(400, "malformed-request"),
            .closed),
        HostileRequest(
            "a form feed in a value", get(fields: "Host: a\r\nX: b\u{c}c\r\n"), .problem(400, "malformed-request"),
            .closed),
        HostileRequest("tab in a value", get(fields: "Host: a\r\nX: b\tc\r\n"), .sound(200), .open),
        HostileRequest("space behind a value", get(fields: "Host: a \r\n"), .sound(200), .open),
        HostileRequest("no space before a value", get(fields: "Host:a\r\n"), .sound(200), .open),
        HostileRequest(
            "space before the colon", get(fields: "Host : a\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "space in a name", get(fields: "Host: a\r\nX Y: b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("field without a colon", get(fields: "Host: a\r\nnothing\r\n"), .library(400), .closed),
        HostileRequest(
            "field without a name", get(fields: "Host: a\r\n: b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "parenthesis in a name", get(fields: "Host: a\r\nX(Y): b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "bare LF behind the request line", "GET /healthz HTTP/1.1\nHost: a\r\n\r\n",
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "bare LF behind a field", get(fields: "Host: a\nX: b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "bare LF as the empty line", "GET /healthz HTTP/1.1\r\nHost: a\r\n\n", .problem(400, "malformed-request"),
            .closed),
        HostileRequest(
            "bare LF behind the last field", "GET /healthz HTTP/1.1\r\nHost: a\n\r\n",
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "bare LF everywhere", "GET /healthz HTTP/1.1\nHost: a\n\n", .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "bare CR behind a field", get(fields: "Host: a\rX: b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "bare CR in a value", get(fields: "X: a\rb: c\r\nHost: a\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "CR CR LF behind a field", get(fields: "Host: a\r\r\nX: b\r\n"), .problem(400, "malformed-request"), .closed
        ),
        HostileRequest(
            "empty lines before the request line", "\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", .sound(200),
            .open),
    ]

    /// Whom the request is for.
    static let hosts: [HostileRequest] = [
        HostileRequest("no Host", "GET /healthz HTTP/1.1\r\n\r\n", .problem(400, "malformed-request"), .closed),
        HostileRequest("no Host in HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", .sound(200), .closed),
        HostileRequest(
            "Host twice", get(fields: "Host: a\r\nHost: b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Host twice, the same", get(fields: "Host: a\r\nhost: a\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Host twice in HTTP/1.0", "GET /healthz HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
            .problem(400, "malformed-request"), .closed),
        HostileRequest("Host ''", get(fields: "Host: \r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'a b'", get(fields: "Host: a b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'a/b'", get(fields: "Host: a/b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'u@a'", get(fields: "Host: u@a\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'a:b'", get(fields: "Host: a:b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'a:'", get(fields: "Host: a:\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'a:65536'", get(fields: "Host: a:65536\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'a:1:2'", get(fields: "Host: a:1:2\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host '[::1'", get(fields: "Host: [::1\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host '[]'", get(fields: "Host: []\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host '[x]'", get(fields: "Host: [x]\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'a,b'", get(fields: "Host: a,b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Host 'http://a'", get(fields: "Host: http://a\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'a#b'", get(fields: "Host: a#b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'é'", get(fields: "Host: é\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'a%00'", get(fields: "Host: a%00\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host 'a\\b'", get(fields: "Host: a\\b\r\n"), .problem(400, "malformed-request"), .closed),
        HostileRequest("Host with a port", get(fields: "Host: a:80\r\n"), .sound(200), .open),
        HostileRequest("Host of IPv6", get(fields: "Host: [::1]:80\r\n"), .sound(200), .open),
    ]
}
