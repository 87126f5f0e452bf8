import CMicroHTTPD
import HTTPTypes

/// An answer as libmicrohttpd has it.
///
/// To make one takes libmicrohttpd three allocations a field, and to free them, so a connection keeps its latest: who
/// polls mostly gets the same again, under another ``Response/requestID``. One with a stream is for one request.
///
/// `@unchecked Sendable`: libmicrohttpd counts the references to a message under a lock of its own, and reads one only
/// for an answer that is under way. Nobody shares one, and what changes it is for before its first answer, or between
/// two on the one connection that it is queued on.
@safe struct Message: ~Copyable, @unchecked Sendable {
    /// Beyond so many bytes a body is not worth its memory for as long as the connection is open.
    static let longestKept = 2048

    /// Whether another request of the connection may well get the answer too, and it is short enough to be kept for that.
    static func isWorthKeeping(_ response: Response) -> Bool {
        if case .bytes(let body) = response.body { body.count <= longestKept } else { false }
    }

    private let pointer: OpaquePointer
    private var status: HTTPResponse.Status
    private var fields: HeaderFields
    /// nil for one that is read from a stream.
    private var body: [UInt8]?
    private var requestID: String?
    /// Whether libmicrohttpd has taken all of the fields, for which its memory may have been too short.
    private var isWhole: Bool

    /// nil when memory is short.
    init?(_ response: Response, _ body: [UInt8], product: String?) {
        let made = unsafe body.withUnsafeBytes { bytes in
            // libmicrohttpd takes the pointer as mutable and, told to copy, does not write to it.
            unsafe MHD_create_response_from_buffer(
                bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
        }
        guard let made = unsafe made else { return nil }
        unsafe self.init(made, response, body, product: product)
    }

    /// The body is read from `stream`, unless it is omitted. nil when memory is short.
    init?(_ response: Response, _ stream: StreamedAnswer, omitsBody: Bool, product: String?) {
        // Released in streamReleased.
        let context = unsafe Unmanaged.passRetained(stream)
        let made = unsafe cmicrohttpd_stream(streamRead, context.toOpaque(), streamReleased, omitsBody ? 1 : 0)
        guard let made = unsafe made else {
            unsafe context.release()
            return nil
        }
        unsafe self.init(made, response, nil, product: product)
    }

    private init(_ made: OpaquePointer, _ response: Response, _ body: [UInt8]?, product: String?) {
        unsafe pointer = unsafe made
        status = response.status
        fields = response.headerFields
        self.body = body
        requestID = response.requestID
        isWhole = true
        for field in fields where unsafe !Self.add(field.name, field.value, to: made) { isWhole = false }
        if let product, unsafe !Self.add(.server, product, to: made) { isWhole = false }
        if let requestID, unsafe !Self.add(.requestID, requestID, to: made) { isWhole = false }
    }

    deinit {
        // An answer that is under way has a reference of its own.
        unsafe MHD_destroy_response(pointer)
    }

    /// Has it answer another request with the same; false says that it cannot.
    mutating func renew(for response: Response, _ body: [UInt8]) -> Bool {
        guard self.body == body, fields == response.headerFields else { return false }
        // What is the same array the next time need not be looked through.
        (fields, self.body) = (response.headerFields, body)
        status = response.status
        return renew(requestID: response.requestID)
    }

    /// Has it answer another request with the very same.
    mutating func renew(requestID: String?) -> Bool {
        guard isWhole else { return false }
        if let former = self.requestID {
            let isRemoved = unsafe HTTPField.Name.requestID.rawName.withCString { name in
                unsafe former.withCString { unsafe MHD_del_response_header(pointer, name, $0) == .YES }
            }
            guard isRemoved else { return false }
        }
        self.requestID = requestID
        if let requestID { isWhole = unsafe Self.add(.requestID, requestID, to: pointer) }
        return isWhole
    }

    /// Says that the connection ends with it.
    func close() { unsafe MHD_add_response_header(pointer, "Connection", "close") }

    func queue(on connection: OpaquePointer) -> MHD_Result {
        unsafe MHD_queue_response(connection, UInt32(status.code), pointer)
    }

    private static func add(_ name: HTTPField.Name, _ value: String, to message: OpaquePointer) -> Bool {
        // A pointer to each string itself: one is allocated for an argument that is a String.
        unsafe name.rawName.withCString { name in
            unsafe value.withCString { value in unsafe MHD_add_response_header(message, name, value) == .YES }
        }
    }
}
