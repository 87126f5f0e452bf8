extension HostileRequest {
    /// Where the body ends.
    static let framing: [HostileRequest] = [
        HostileRequest(
            "both framing headers", post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "both framing headers, the other way round",
            post("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Content-Length twice, the same", post("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Content-Length twice, different", post("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest("Content-Length '+2'", post("Content-Length: +2\r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length '-2'", post("Content-Length: -2\r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length '5, 5'", post("Content-Length: 5, 5\r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length '2,2'", post("Content-Length: 2,2\r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length ' '", post("Content-Length:  \r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length ''", post("Content-Length: \r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length '0x2'", post("Content-Length: 0x2\r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length '2 2'", post("Content-Length: 2 2\r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length '2.0'", post("Content-Length: 2.0\r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length '2a'", post("Content-Length: 2a\r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length '1e1'", post("Content-Length: 1e1\r\n\r\n{}"), .library(400), .closed),
        HostileRequest("Content-Length '٢'", post("Content-Length: ٢\r\n\r\n{}"), .library(400), .closed),
        HostileRequest(
            "Content-Length '99999999999999999999'", post("Content-Length: 99999999999999999999\r\n\r\n{}"),
            .library(413), .closed),
        HostileRequest(
            "Content-Length '18446744073709551615'", post("Content-Length: 18446744073709551615\r\n\r\n{}"),
            .problem(413, "content-too-large"), .closed),
        HostileRequest(
            "Content-Length '18446744073709551616'", post("Content-Length: 18446744073709551616\r\n\r\n{}"),
            .library(413), .closed),
        HostileRequest("Content-Length with zeros before", post("Content-Length: 002\r\n\r\n{}"), .sound(200), .open),
        HostileRequest(
            "Content-Length and space before the colon", post("Content-Length : 2\r\n\r\n{}"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding 'gzip'", post("Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding 'gzip, chunked'", post("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding 'chunked, gzip'", post("Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding 'chunked, chunked'", post("Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding 'identity'", post("Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding 'chunked;q=1'", post("Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding 'xchunked'", post("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding 'chunked\u{b}'", post("Transfer-Encoding: chunked\u{b}\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding with space behind it", post("Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding with a tab behind it", post("Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding ''", post("Transfer-Encoding: \r\n\r\n0\r\n\r\n"), .problem(400, "malformed-request"),
            .closed),
        HostileRequest(
            "Transfer-Encoding twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding with space before the colon", post("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "Transfer-Encoding in capitals", post("TRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
            .sound(200), .open),
        HostileRequest(
            "Transfer-Encoding in HTTP/1.0",
            "POST /v1/namespaces:prune HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            .problem(400, "malformed-request"), .closed),
        HostileRequest(
            "chunk of no size", post("Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"), .library(400), .closed),
        HostileRequest(
            "chunk of negative size", post("Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n"), .library(400),
            .closed),
        HostileRequest(
            "chunk size beyond 64 bits", post("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
            .library(413), .closed),
        HostileRequest(
            "chunk longer than it says", post("Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n"), .library(400),
            .closed),
        HostileRequest(
            "chunk with an extension", post("Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n"), .sound(200),
            .open),
        HostileRequest(
            "chunk size with 0x", post("Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n"), .library(400),
            .closed),
        HostileRequest(
            "chunks beyond the limit announced",
            post("Transfer-Encoding: chunked\r\n\r\n20000\r\n\(run("x", 131072))\r\n0\r\n\r\n"),
            .problem(413, "content-too-large"), .closed),
    ]
}
