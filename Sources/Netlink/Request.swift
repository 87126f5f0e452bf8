import CNetlink
package import LinuxKit
import SystemPackage

/// A message for the kernel, built by libnl, that ``NetlinkSocket/perform(_:)-(Request)`` sends.
///
/// It names links by index, so it is for a socket of the namespace that the indices are of, and it names other
/// namespaces by descriptor, so these must be open when it is sent.
// SAFETY: the message lives as long as this, and nobody else frees it.
@safe package final class Request {
    /// How its failures are named.
    package let operation: SystemError.Operation
    /// The nl_msg, owned.
    let message: OpaquePointer
    /// Whether everything found a place.
    private var isWhole = true

    /// An empty message with room for `bytes`.
    ///
    /// - Throws: `.noMemory`.
    init(
        _ operation: SystemError.Operation, type: Int, flags: CInt = NLM_F_ACK, bytes: Int = 1024
    ) throws(SystemError) {
        guard let message = unsafe nlmsg_alloc_size(bytes) else { throw SystemError(operation, errno: .noMemory) }
        self.operation = operation
        unsafe self.message = unsafe message
        isWhole = unsafe nlmsg_put(message, 0, 0, CInt(type), 0, NLM_F_REQUEST | flags) != nil
    }

    deinit {
        unsafe nlmsg_free(message)
    }

    /// Gives it the number by which its answer is known.
    ///
    /// - Throws: `.messageTooLong` when it did not fit into the room that it was given.
    func number(_ sequence: UInt32) throws(SystemError) {
        guard isWhole, let header = unsafe nlmsg_hdr(message) else {
            throw SystemError(operation, errno: .messageTooLong)
        }
        unsafe header.pointee.nlmsg_seq = sequence
    }

    /// Appends a family's header, of the whole message or of a part of it.
    func append<Header: BitwiseCopyable>(_ header: Header) {
        var header = header
        let result = unsafe withUnsafeMutableBytes(of: &header) { bytes in
            unsafe nlmsg_append(message, bytes.baseAddress, bytes.count, CInt(NLMSG_ALIGNTO))
        }
        isWhole = isWhole && result == 0
    }

    /// Appends an attribute that is a number or a C struct in the machine's byte order.
    func put<Value: BitwiseCopyable>(_ type: some BinaryInteger, _ value: Value) {
        let result = unsafe withUnsafeBytes(of: value) { bytes in
            unsafe nla_put(message, CInt(type), CInt(bytes.count), bytes.baseAddress)
        }
        isWhole = isWhole && result == 0
    }

    /// Appends an attribute of raw bytes.
    func put(_ type: some BinaryInteger, bytes: [UInt8]) {
        let result = unsafe bytes.withUnsafeBytes { bytes in
            unsafe nla_put(message, CInt(type), CInt(bytes.count), bytes.baseAddress)
        }
        isWhole = isWhole && result == 0
    }

    /// Appends an attribute that is a C string.
    func put(_ type: some BinaryInteger, text: String) {
        let result = unsafe text.withCString { unsafe nla_put_string(message, CInt(type), $0) }
        isWhole = isWhole && result == 0
    }

    /// Appends an address in network byte order.
    func put(_ type: some BinaryInteger, _ address: IPAddress) {
        if address.family == .v4 {
            put(type, UInt32(truncatingIfNeeded: address.value).bigEndian)
        } else {
            put(type, address.value.bigEndian)
        }
    }

    /// Appends an Ethernet address.
    func put(_ type: some BinaryInteger, _ address: MACAddress) {
        put(type, bytes: address.bytes)
    }

    /// Appends an attribute that has what `body` appends inside it.
    func nest(_ type: some BinaryInteger, _ body: () -> Void) {
        guard let start = unsafe nla_nest_start(message, CInt(type)) else {
            isWhole = false
            return
        }
        body()
        isWhole = unsafe isWhole && nla_nest_end_keep_empty(message, start) == 0
    }
}
