import CMicroHTTPD
import Glibc
import Logging
import Synchronization

// libmicrohttpd's callbacks. File-scope functions on purpose: a closure can inherit an actor from where it is written,
// and traps when one of libmicrohttpd's threads calls it. `context` is the ServerCore, that of `connectionChanged` the
// Entrance; Listener retains both for as long as the daemon runs.

/// `MHD_OPTION_NOTIFY_CONNECTION`: a connection was accepted, before its TLS handshake, or is about to be closed.
/// `attachment` is the LiveConnection.
func connectionChanged(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ attachment: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ change: MHD_ConnectionNotificationCode
) {
    guard let context = unsafe context, let connection = unsafe connection, let attachment = unsafe attachment else {
        return
    }
    let entrance = unsafe Unmanaged<Entrance>.fromOpaque(context).takeUnretainedValue()
    let server = entrance.server
    switch change {
    case .CONNECTION_NOTIFY_STARTED:
        entrance.entered()
        // libmicrohttpd says nothing of its threads' beginnings.
        if entrance.loop == nil { cmicrohttpd_be_prompt() }
        let started = unsafe Connection(connection)
        guard let descriptor = started.descriptor else { return }
        var tls: TLSConnection?
        if let session = unsafe cmicrohttpd_tls_session(connection), let credentials = server.credentials,
            unsafe credentials.adopt(in: session)
        {
            tls = TLSConnection(offering: credentials)
        }
        let live = LiveConnection(
            descriptor: descriptor, client: started.client, limits: server.connections.limits, tls: tls,
            loop: entrance.loop)
        server.connections.add(live)
        // Released below.
        unsafe attachment.pointee = unsafe Unmanaged.passRetained(live).toOpaque()
    case .CONNECTION_NOTIFY_CLOSED:
        defer { entrance.left() }
        guard let opaque = unsafe attachment.pointee else { return }
        unsafe attachment.pointee = nil
        server.connections.remove(unsafe Unmanaged<LiveConnection>.fromOpaque(opaque).takeRetainedValue())
    @unknown default: return
    }
}

/// `MHD_OPTION_URI_LOG_CALLBACK`: makes the exchange. What it returns is the initial value of `state` below.
func targetArrived(
    _ context: UnsafeMutableRawPointer?, _ target: UnsafePointer<CChar>?, _ connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context, let target = unsafe target else { return nil }
    let server = unsafe Unmanaged<ServerCore>.fromOpaque(context).takeUnretainedValue()
    let bytes = unsafe UnsafeRawBufferPointer(start: target, count: strlen(target))
    let place = HeaderLayout.Part(address: UInt(bitPattern: target), count: bytes.count)
    let live = unsafe connection.flatMap { unsafe Connection($0).live }
    let parsed: Result<RequestTarget, RequestTarget.Malformation>
    var isRepeated = false
    do throws(RequestTarget.Malformation) {
        if let live {
            let target: RequestTarget
            (target, isRepeated) = try live.latest.withLock { latest throws(RequestTarget.Malformation) in
                unsafe try latest.target(parsing: bytes)
            }
            parsed = .success(target)
        } else {
            parsed = .success(unsafe try RequestTarget(parsing: bytes))
        }
    } catch {
        parsed = .failure(error)
    }
    let exchange = Exchange(server: server, on: live, target: parsed, isRepeated: isRepeated, at: place)
    // Released in exchangeCompleted, which is called for every exchange, whatever becomes of it.
    return unsafe Unmanaged.passRetained(exchange).toOpaque()
}

/// `MHD_AccessHandlerCallback`: the headers, a piece of the body, or the wish for an answer.
func requestProceeded(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?,
    _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?, _ data: UnsafePointer<CChar>?,
    _ size: UnsafeMutablePointer<Int>?, _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let connection = unsafe connection, let size = unsafe size, let opaque = unsafe state?.pointee else {
        return .NO
    }
    let exchange = unsafe Unmanaged<Exchange>.fromOpaque(opaque).takeUnretainedValue()
    let piece = unsafe UnsafeRawBufferPointer(start: data, count: size.pointee)
    unsafe size.pointee = 0
    return unsafe exchange.step(Connection(connection), method: method, version: version, piece)
}

/// `MHD_OPTION_NOTIFY_COMPLETED`: the answer is sent, or the client is gone. Lets go of the exchange.
func exchangeCompleted(
    _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
    _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ reason: MHD_RequestTerminationCode
) {
    guard let opaque = unsafe state?.pointee else { return }
    unsafe state?.pointee = nil
    // Retained in targetArrived.
    unsafe Unmanaged<Exchange>.fromOpaque(opaque).takeRetainedValue().ended()
}

/// `MHD_ContentReaderCallback`: the next piece of a streamed body. `context` is the StreamedAnswer.
func streamRead(
    _ context: UnsafeMutableRawPointer?, _ position: UInt64, _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int
) -> Int {
    guard let context = unsafe context else { return cmicrohttpd_end_with_error }
    let answer = unsafe Unmanaged<StreamedAnswer>.fromOpaque(context).takeUnretainedValue()
    return unsafe answer.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: size))
}

/// `MHD_ContentReaderFreeCallback`: nothing is read any more. The stream's end is told by `exchangeCompleted`.
func streamReleased(_ context: UnsafeMutableRawPointer?) {
    guard let context = unsafe context else { return }
    // Retained in Message.init(_:_:omitsBody:product:).
    unsafe Unmanaged<StreamedAnswer>.fromOpaque(context).release()
}

/// `MHD_OPTION_EXTERNAL_LOGGER`: the library's own messages, mostly of clients that misbehave.
func libraryLogged(
    _ context: UnsafeMutableRawPointer?, _ format: UnsafePointer<CChar>?, _ arguments: CVaListPointer?
) {
    guard let context = unsafe context, let format = unsafe format, let arguments = unsafe arguments else {
        return
    }
    let server = unsafe Unmanaged<ServerCore>.fromOpaque(context).takeUnretainedValue()
    guard server.logger.logLevel <= .debug else { return }
    var buffer = [CChar](repeating: 0, count: 512)
    let length = unsafe vsnprintf(&buffer, buffer.count, format, arguments)
    let bytes = buffer.prefix(max(0, min(Int(length), buffer.count - 1))).map { UInt8(bitPattern: $0) }
    let text = String(decoding: bytes, as: UTF8.self)
    server.logger.debug("libmicrohttpd", metadata: ["message": "\(text.filter { !$0.isNewline })"])
}
