import CMicroHTTPD
import Glibc
import HTTPTypes
import Synchronization

/// A client's connection, as libmicrohttpd lends it.
///
/// `@unchecked Sendable`: the pointer is used from two places. Inside a callback libmicrohttpd guarantees that it is
/// alive and used by no other thread. Outside, ``resume()`` alone is called, once for each ``suspend()``: a suspended
/// connection stays alive, with what was attached to it, until libmicrohttpd is told, which it makes safe from any thread.
@safe struct Connection: @unchecked Sendable {
    private let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) {
        unsafe self.pointer = unsafe pointer
    }

    func suspend() { unsafe MHD_suspend_connection(pointer) }

    /// Has whoever serves the connection go on with it.
    func resume() {
        // Once resumed it may be closed at any time.
        let loop = live?.loop
        unsafe MHD_resume_connection(pointer)
        loop?.attend()
    }

    /// The socket. It is libmicrohttpd's, and may be closed as soon as the request is completed.
    var descriptor: CInt? {
        let descriptor = unsafe cmicrohttpd_descriptor(pointer)
        return descriptor >= 0 ? descriptor : nil
    }

    /// What the server thinks of the client's certificate; nil without TLS.
    func verdict(of server: ServerCore, on live: LiveConnection) -> TLSVerdict? {
        guard live.client.transport == .tls, let session = unsafe cmicrohttpd_tls_session(pointer) else { return nil }
        guard let tls = live.tls, let credentials = server.credentials else { return .noCertificate }
        return unsafe tls.verdict(on: session, by: credentials)
    }

    /// What was attached to it.
    var live: LiveConnection? {
        guard let opaque = unsafe cmicrohttpd_attachment(pointer) else { return nil }
        // Retained in connectionChanged until the connection is closed.
        return unsafe Unmanaged<LiveConnection>.fromOpaque(opaque).takeUnretainedValue()
    }

    /// Who is at the other end, when the connection begins.
    var client: Client {
        let isSecure = unsafe cmicrohttpd_tls_session(pointer) != nil
        var text = [CChar](repeating: 0, count: Int(CMICROHTTPD_ADDRESS_BYTES))
        guard unsafe cmicrohttpd_address(pointer, &text) == 0 else {
            let address = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
            return Client(transport: isSecure ? .tls : .tcp, address: address)
        }
        var peer = cmicrohttpd_credentials()
        guard unsafe cmicrohttpd_peer(pointer, &peer) != 0 else { return Client(transport: .unix) }
        return Client(transport: .unix, peer: Peer(user: peer.uid, group: peer.gid, process: peer.pid))
    }

    /// The request as its headers tell, and why it is to be refused, if it is.
    func request(
        method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?,
        target: Result<RequestTarget, RequestTarget.Malformation>, at place: HeaderLayout.Part, limit: Int,
        client: Client
    ) -> (Request, refusal: Refusal?) {
        let (methodPart, methodName) = unsafe Self.part(method, mostly: "GET")
        let (versionPart, protocolName) = unsafe Self.part(version, mostly: "HTTP/1.1")
        var collector = HeaderCollector(layout: HeaderLayout(method: methodPart, target: place, version: versionPart))
        unsafe withUnsafeMutablePointer(to: &collector) { collector in
            _ = unsafe MHD_get_connection_values_n(pointer, .HEADER_KIND, collectHeader, collector)
        }
        let bytes = unsafe cmicrohttpd_header_bytes(pointer)
        collector.layout.finish(at: methodPart.address &+ UInt(bytes))
        let parsedMethod = Self.method(methodName)
        let isChunked = collector.fields.contains { $0.name == .transferEncoding }
        let length = collector.fields[.contentLength].flatMap { UInt64($0) }
        let request = Request(
            method: parsedMethod ?? .get, target: target, headerFields: collector.fields,
            contentLength: isChunked ? nil : length ?? 0, client: client)
        if place.count > limit { return (request, .targetTooLong(limit: limit)) }
        if bytes > limit { return (request, .headersTooLarge(limit: limit)) }
        let fault =
            !collector.layout.isRegular
            ? "The header section has a line that CR LF does not end, a folded line, a NUL, or a space too many."
            : collector.hasForbiddenByte
                ? "A header field has a control character, or a name that is no token."
                : parsedMethod == nil
                    ? "The method is no token." : Framing.fault(in: request, version: protocolName)
        return (request, fault.map { .malformed($0) })
    }

    /// nil for what is no token.
    private static func method(_ name: String) -> HTTPRequest.Method? {
        switch name {
        case "GET": .get
        case "POST": .post
        case "DELETE": .delete
        default: HTTPRequest.Method(name)
        }
    }

    /// A part of the request line, and its text.
    ///
    /// - Parameter usual: What it mostly is, so that no string need be made of it.
    private static func part(_ text: UnsafePointer<CChar>?, mostly usual: String) -> (HeaderLayout.Part, String) {
        guard let text = unsafe text else { return (HeaderLayout.Part(address: 0, count: 0), "") }
        let part = unsafe part(text)
        let isUsual = unsafe usual.withCString { unsafe strcmp(text, $0) == 0 }
        return unsafe (part, isUsual ? usual : String(cString: text))
    }

    /// Hands an answer with its body to libmicrohttpd, which sends it in its own time.
    func queue(_ response: Response, _ body: [UInt8], product: String?, close: Bool) -> MHD_Result {
        queue(Message(response, body, product: product), close: close)
    }

    /// As ``queue(_:_:product:close:)``, for an answer that this connection's next request may get too.
    ///
    /// - Parameter recurrence: With what it is known that the next request is to get it.
    func queue(
        _ response: Response, _ body: [UInt8], product: String?, keeping recurrence: Recurrence?,
        on live: LiveConnection
    ) -> MHD_Result {
        live.latest.withLock { latest in
            latest.keep(response, body, product: product, recurrence)
            return unsafe latest.message?.queue(on: pointer) ?? .NO
        }
    }

    /// Hands the latest answer that was kept to libmicrohttpd once more, for another request.
    func queueAgain(requestID: String, on live: LiveConnection) -> MHD_Result {
        live.latest.withLock { latest in
            guard latest.message?.renew(requestID: requestID) == true else { return .NO }
            return unsafe latest.message?.queue(on: pointer) ?? .NO
        }
    }

    /// The header section, as libmicrohttpd has left it, and lent, as the method is; nil where it is not regular.
    func section(
        method: UnsafePointer<CChar>?, target: HeaderLayout.Part, version: UnsafePointer<CChar>?
    ) -> HeaderSection? {
        guard let method = unsafe method, let version = unsafe version else { return nil }
        let (methodPart, versionPart) = unsafe (Self.part(method), Self.part(version))
        var layout = HeaderLayout(method: methodPart, target: target, version: versionPart)
        unsafe withUnsafeMutablePointer(to: &layout) { layout in
            _ = unsafe MHD_get_connection_values_n(pointer, .HEADER_KIND, layOutHeader, layout)
        }
        let bytes = unsafe UnsafeRawBufferPointer(start: method, count: cmicrohttpd_header_bytes(pointer))
        layout.finish(at: methodPart.address &+ UInt(bytes.count))
        return unsafe HeaderSection(bytes, layout)
    }

    private static func part(_ text: UnsafePointer<CChar>) -> HeaderLayout.Part {
        unsafe HeaderLayout.Part(address: UInt(bitPattern: text), count: strlen(text))
    }

    /// Hands an answer to libmicrohttpd whose body is read from `stream`, unless it is omitted.
    func queue(
        _ response: Response, _ stream: StreamedAnswer, omitsBody: Bool, product: String?, close: Bool
    ) -> MHD_Result {
        queue(Message(response, stream, omitsBody: omitsBody, product: product), close: close)
    }

    private func queue(_ message: consuming Message?, close: Bool) -> MHD_Result {
        guard let message else { return .NO }
        if close { message.close() }
        return unsafe message.queue(on: pointer)
    }
}

/// What `collectHeader` fills.
private struct HeaderCollector {
    var layout: HeaderLayout
    var fields = HeaderFields(capacity: 8)
    var hasForbiddenByte = false
}

/// `MHD_KeyValueIteratorN`: called for each header field, with a `HeaderCollector`.
private func collectHeader(
    _ context: UnsafeMutableRawPointer?, _ kind: MHD_ValueKind, _ name: UnsafePointer<CChar>?, _ nameSize: Int,
    _ value: UnsafePointer<CChar>?, _ valueSize: Int
) -> MHD_Result {
    guard let collector = unsafe context?.assumingMemoryBound(to: HeaderCollector.self) else { return .NO }
    let nameBytes = unsafe UnsafeRawBufferPointer(start: name, count: nameSize)
    let valueBytes = unsafe UnsafeRawBufferPointer(start: value, count: valueSize)
    unsafe collector.pointee.layout.field(name, nameSize, value, valueSize)
    let isClean = unsafe valueBytes.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
    guard isClean, let name = unsafe HeaderFields.name(nameBytes) else {
        unsafe collector.pointee.hasForbiddenByte = true
        return .YES
    }
    // White space behind a value is none of it (RFC 9112, section 5); libmicrohttpd takes away what is before it.
    // It does not take away what is behind it, and so does not know a coding that has some: neither may we.
    var end = valueBytes.count
    if name != .transferEncoding {
        while end > 0, unsafe valueBytes[end - 1] == 0x20 || valueBytes[end - 1] == 0x09 { end -= 1 }
    }
    unsafe collector.pointee.fields.append(name, String(decoding: valueBytes.prefix(end), as: UTF8.self))
    return .YES
}

/// `MHD_KeyValueIteratorN`: called for each header field, with a `HeaderLayout`.
private func layOutHeader(
    _ context: UnsafeMutableRawPointer?, _ kind: MHD_ValueKind, _ name: UnsafePointer<CChar>?, _ nameSize: Int,
    _ value: UnsafePointer<CChar>?, _ valueSize: Int
) -> MHD_Result {
    guard let layout = unsafe context?.assumingMemoryBound(to: HeaderLayout.self) else { return .NO }
    unsafe layout.pointee.field(name, nameSize, value, valueSize)
    return .YES
}

extension HeaderLayout {
    /// Goes on with a field as libmicrohttpd tells of it.
    fileprivate mutating func field(
        _ name: UnsafePointer<CChar>?, _ nameSize: Int, _ value: UnsafePointer<CChar>?, _ valueSize: Int
    ) {
        // SAFETY: between the colon and a value that is where it was written, there are only bytes of the line, and a
        // value that is not there ends the count at the NUL that ended the line.
        let spaces = unsafe name.map { name in
            var count = 0
            while unsafe name[nameSize + 1 + count] == 0x20 || name[nameSize + 1 + count] == 0x09 { count += 1 }
            return count
        }
        field(
            name: Part(address: UInt(bitPattern: name), count: nameSize),
            value: Part(address: UInt(bitPattern: value), count: valueSize), spaces: spaces ?? 0)
    }
}
