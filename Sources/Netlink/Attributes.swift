import CNetlink

/// One attribute of a netlink message: a type, and a payload that is a number, a text, an address or more attributes.
///
/// It lends the socket's buffer, so it must not be kept beyond the call that it is given to.
// SAFETY: made by Attributes alone, which checks that the payload is inside the buffer; every read is checked here.
@safe struct Attribute {
    /// Without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
    let type: Int
    private let payload: UnsafeRawBufferPointer

    init(type: Int, payload: UnsafeRawBufferPointer) {
        self.type = type
        unsafe self.payload = unsafe payload
    }

    var count: Int { unsafe payload.count }

    /// A number or a C struct in the machine's byte order; nil when the payload is shorter than that.
    func load<Value: BitwiseCopyable>(_ type: Value.Type = Value.self, at offset: Int = 0) -> Value? {
        guard offset >= 0, unsafe payload.count - offset >= MemoryLayout<Value>.size else { return nil }
        return unsafe payload.loadUnaligned(fromByteOffset: offset, as: Value.self)
    }

    /// A C string, ended by its zero or by the payload's end. What is no UTF-8 is replaced.
    var text: String { unsafe String(decoding: payload.prefix { $0 != 0 }, as: UTF8.self) }

    var bytes: [UInt8] { unsafe Array(payload) }

    /// Nil unless it has four bytes or sixteen.
    var address: IPAddress? { unsafe IPAddress(bytes: payload) }

    /// Nil unless it has six bytes.
    var mac: MACAddress? { unsafe MACAddress(bytes: payload) }

    /// The attributes inside, which begin after `offset` bytes.
    func nested(after offset: Int = 0) -> Attributes {
        unsafe Attributes(UnsafeRawBufferPointer(rebasing: payload.dropFirst(offset)))
    }

    /// A part of the payload as an attribute of its own.
    func slice(from offset: Int, count: Int? = nil) -> Attribute? {
        let size = unsafe payload.count
        guard offset >= 0, offset <= size, (0...(size - offset)).contains(count ?? 0) else { return nil }
        let end = count.map { offset + $0 } ?? size
        return unsafe Attribute(type: type, payload: UnsafeRawBufferPointer(rebasing: payload[offset..<end]))
    }
}

/// Attributes one after the other; ends at the first one that is not whole. As short-lived as ``Attribute``.
// SAFETY: reads inside of `rest` alone, and so are the attributes that it makes.
@safe struct Attributes: Sequence, IteratorProtocol {
    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        unsafe rest = unsafe bytes
    }

    mutating func next() -> Attribute? {
        let headerBytes = 4  // NLA_HDRLEN
        guard unsafe rest.count >= headerBytes else { return nil }
        let length = Int(unsafe rest.loadUnaligned(as: UInt16.self))
        let type = Int(unsafe rest.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        guard length >= headerBytes, unsafe length <= rest.count else { return nil }
        let payload = unsafe UnsafeRawBufferPointer(rebasing: rest[headerBytes..<length])
        unsafe rest = unsafe UnsafeRawBufferPointer(rebasing: rest.dropFirst((length + 3) & ~3))
        return unsafe Attribute(type: type & Int(CNETLINK_TYPE_MASK), payload: payload)
    }
}

/// One message of the kernel's. As short-lived as ``Attribute``.
// SAFETY: made by Messages alone, which checks that the body is inside the buffer; every read is checked here.
@safe struct Message {
    let header: nlmsghdr
    private let body: UnsafeRawBufferPointer

    init(header: nlmsghdr, body: UnsafeRawBufferPointer) {
        self.header = header
        unsafe self.body = unsafe body
    }

    var type: CInt { CInt(header.nlmsg_type) }

    func has(flag: CInt) -> Bool { CInt(header.nlmsg_flags) & flag != 0 }

    /// The family's own header; nil when the message is shorter than that.
    func load<Value: BitwiseCopyable>(_ type: Value.Type = Value.self) -> Value? {
        guard unsafe body.count >= MemoryLayout<Value>.size else { return nil }
        return unsafe body.loadUnaligned(as: Value.self)
    }

    /// The attributes after a family's header of `offset` bytes.
    func attributes(after offset: Int) -> Attributes {
        unsafe Attributes(UnsafeRawBufferPointer(rebasing: body.dropFirst((offset + 3) & ~3)))
    }

    /// The attributes after the family's header.
    func attributes<Value: BitwiseCopyable>(after type: Value.Type) -> Attributes {
        attributes(after: MemoryLayout<Value>.size)
    }
}

/// The messages of one datagram; ends at the first one that is not whole. As short-lived as ``Attribute``.
// SAFETY: reads inside of `rest` alone, and so are the messages that it makes.
@safe struct Messages: Sequence, IteratorProtocol {
    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) {
        unsafe rest = unsafe bytes
    }

    mutating func next() -> Message? {
        let headerBytes = MemoryLayout<nlmsghdr>.size
        guard unsafe rest.count >= headerBytes else { return nil }
        let header = unsafe rest.loadUnaligned(as: nlmsghdr.self)
        let length = Int(header.nlmsg_len)
        guard length >= headerBytes, unsafe length <= rest.count else { return nil }
        let body = unsafe UnsafeRawBufferPointer(rebasing: rest[headerBytes..<length])
        unsafe rest = unsafe UnsafeRawBufferPointer(rebasing: rest.dropFirst((length + 3) & ~3))
        return unsafe Message(header: header, body: body)
    }
}
