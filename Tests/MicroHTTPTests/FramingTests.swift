import HTTPTypes
import Testing

@testable import MicroHTTP

@Suite("Framing") struct FramingTests {
    private func fault(_ fields: [(String, String)], isHTTP11: Bool = true) throws -> String? {
        var collected = HeaderFields()
        for (name, value) in fields { collected.append(try #require(HTTPField.Name(name)), value) }
        return Framing.fault(in: collected, isHTTP11: isHTTP11)
    }

    @Test(
        "messages with one end pass",
        arguments: [
            [("Host", "a")], [("Host", "a"), ("Content-Length", "0")],
            [("Host", "a"), ("Transfer-Encoding", "chunked")],
            [("Host", "a"), ("transfer-encoding", "Chunked")],
            [("Host", "a:65535")], [("Host", "[::1]")], [("Host", "[fe80::1]:80")], [("Host", "127.0.0.1:1")],
        ])
    func sound(fields: [(String, String)]) throws {
        #expect(try fault(fields) == nil)
    }

    @Test("HTTP/1.0 needs no Host") func old() throws {
        #expect(try fault([], isHTTP11: false) == nil)
    }

    @Test(
        "messages that two readers could end in different places are refused",
        arguments: [
            [], [("Host", "a"), ("Host", "b")],
            [("Host", "a"), ("Content-Length", "1"), ("Transfer-Encoding", "chunked")],
            [("Host", "a"), ("Content-Length", "1"), ("Content-Length", "1")],
            [("Host", "a"), ("Content-Length", "+1")], [("Host", "a"), ("Content-Length", "")],
            [("Host", "a"), ("Content-Length", "1, 1")], [("Host", "a"), ("Transfer-Encoding", "gzip, chunked")],
            [("Host", "a"), ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
            [("Host", "a"), ("Transfer-Encoding", "identity")],
            [("Host", "")], [("Host", "a:")], [("Host", "a:65536")], [("Host", "a:000080")], [("Host", ":80")],
            [("Host", "[]")], [("Host", "[::1")], [("Host", "[::1]80")], [("Host", "[::1]:")], [("Host", "a b")],
        ])
    func refused(fields: [(String, String)]) throws {
        #expect(try fault(fields) != nil)
    }
}

@Suite("Header fields") struct HeaderFieldsTests {
    @Test("fields are found whatever the case of their names, and several of one name are one value")
    func found() throws {
        var fields: HeaderFields = [.accept: "a", .host: "b"]
        fields.append(.accept, "c")
        #expect(fields[try #require(HTTPField.Name("ACCEPT"))] == "a, c")
        #expect(fields[.host] == "b")
        #expect(fields[.origin] == nil)
        fields[.accept] = "d"
        #expect(fields.map(\.value) == ["b", "d"])
        fields[.accept] = nil
        #expect(fields.map(\.name) == [.host])
    }

    @Test("a name is known by its spelling or made of it, and what is no token has none")
    func names() throws {
        func name(_ text: String) -> HTTPField.Name? {
            var text = text
            return text.withUTF8 { unsafe HeaderFields.name(UnsafeRawBufferPointer($0)) }
        }
        #expect(name("hOsT") == .host)
        #expect(name("Content-Length") == .contentLength)
        #expect(name("Hos@") == nil)
        #expect(try #require(name("X-Own")).rawName == "X-Own")
        #expect(name("a b") == nil && name("") == nil)
    }
}

@Suite("Listening addresses") struct ListenAddressTests {
    @Test(
        "a host and a port, IPv6 in brackets",
        arguments: [
            ("127.0.0.1:80", ListenAddress.tcp(host: "127.0.0.1", port: 80)),
            ("localhost:0", .tcp(host: "localhost", port: 0)), ("[::1]:8080", .tcp(host: "::1", port: 8080)),
        ])
    func parsed(text: String, expected: ListenAddress) throws {
        #expect(try ListenAddress(parsingTCP: text) == expected)
    }

    @Test("what is no address", arguments: ["", "80", ":80", "a:", "a:b", "a:65536", "a:-1", "::1:80", "[]:80"])
    func refused(text: String) {
        #expect(throws: ListenAddress.Malformation.self) { try ListenAddress(parsingTCP: text) }
    }
}
