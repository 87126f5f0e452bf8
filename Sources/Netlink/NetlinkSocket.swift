import CNetlink
package import LinuxKit
import SystemPackage

/// A socket of rtnetlink(7), which is for life of the network namespace that the calling thread is in when it is opened.
///
/// Everything blocks, for as long as the kernel takes: it is for a job of ``KernelWorkers``. While it is open the
/// namespace lives on. It serves one caller at a time, and so it is not Sendable.
// SAFETY: the buffer lives as long as this; what lends it is used before the next datagram is received.
@safe package final class NetlinkSocket {
    /// How often a dump is read anew when what it tells of changed meanwhile.
    private static let attempts = 16

    let descriptor: OwnedDescriptor
    /// Where the kernel's datagrams are received, owned.
    private let buffer: UnsafeMutableRawBufferPointer
    private var sequence: UInt32 = 0

    /// Opens a socket in the calling thread's network namespace, close-on-exec.
    ///
    /// - Throws: `.openNetlink` with `.tooManyOpenFiles`, `.noMemory` and the like (socket(2)).
    package static func open() throws(SystemError) -> NetlinkSocket {
        let descriptor = cnetlink_open(0)
        guard descriptor >= 0 else { throw SystemError(.openNetlink, errno: Errno(rawValue: -descriptor)) }
        return NetlinkSocket(OwnedDescriptor(owning: descriptor))
    }

    private init(_ descriptor: consuming OwnedDescriptor) {
        self.descriptor = descriptor
        unsafe buffer = .allocate(byteCount: Int(CNETLINK_BUFFER), alignment: 16)
    }

    deinit {
        unsafe buffer.deallocate()
    }

    /// Sends a request and waits for the kernel's acknowledgement.
    ///
    /// - Throws: the request's operation with the kernel's errno and, where it gives one, its explanation.
    package func perform(_ request: Request) throws(SystemError) {
        guard let result = try perform([request]).first else { return }
        try result.get()
    }

    /// Sends requests together and waits for all their acknowledgements. The kernel does one after the other, and goes
    /// on after one that it refuses: each has a result of its own, in their order.
    ///
    /// - Throws: when they could not be sent or the answers not be received; some may then have been done.
    package func perform(_ requests: [Request]) throws(SystemError) -> [Result<Void, SystemError>] {
        var results: [Result<Void, SystemError>] = []
        results.reserveCapacity(requests.count)
        while results.count < requests.count {
            let batch = requests[results.count...].prefix(Int(CNETLINK_BATCH))
            results += try exchange(batch)
        }
        return results
    }

    private func exchange(_ requests: ArraySlice<Request>) throws(SystemError) -> [Result<Void, SystemError>] {
        let first = try send(requests)
        var results: [Result<Void, SystemError>?] = Array(repeating: nil, count: requests.count)
        var missing = requests.count
        while missing > 0 {
            for message in try receive() {
                let index = Int(message.header.nlmsg_seq &- first)
                guard message.type == NLMSG_ERROR, results.indices.contains(index), results[index] == nil else {
                    continue
                }
                results[index] = Self.result(of: message, requests[requests.startIndex + index].operation)
                missing -= 1
            }
        }
        return results.compactMap { $0 }
    }

    /// Sends a request that asks for one thing and answers what `read` makes of it.
    func ask<Item>(_ request: Request, _ read: (Message) -> Item?) throws(SystemError) -> Item {
        let sequence = try send([request])
        while true {
            for message in try receive() where message.header.nlmsg_seq == sequence {
                if message.type == NLMSG_ERROR {
                    try Self.result(of: message, request.operation).get()
                }
                guard let item = read(message) else { throw SystemError(request.operation, errno: .badMessage) }
                return item
            }
        }
    }

    /// Sends a request for everything of a kind (`NLM_F_DUMP`) and answers what `read` makes of each message; nil
    /// leaves it out. What changes while it is read is read anew.
    ///
    /// - Throws: `.resourceTemporarilyUnavailable` when it changed every time.
    func dump<Item>(_ request: Request, _ read: (Message) -> Item?) throws(SystemError) -> [Item] {
        for _ in 0..<Self.attempts {
            var items: [Item] = []
            if try dumpOnce(request, { message in if let item = read(message) { items.append(item) } }) {
                return items
            }
        }
        throw SystemError(
            request.operation, errno: .resourceTemporarilyUnavailable,
            explanation: "It changed each of the \(Self.attempts) times that it was read.")
    }

    /// Whether what was read is of one moment.
    private func dumpOnce(_ request: Request, _ read: (Message) -> Void) throws(SystemError) -> Bool {
        let sequence = try send([request])
        var isConsistent = true
        while true {
            for message in try receive() where message.header.nlmsg_seq == sequence {
                if message.has(flag: NLM_F_DUMP_INTR) { isConsistent = false }
                switch message.type {
                case NLMSG_ERROR:
                    try Self.result(of: message, request.operation).get()
                    return isConsistent
                case NLMSG_DONE:
                    // Ends with an errno when it could not be finished.
                    let error = message.load(CInt.self) ?? 0
                    guard error < 0 else { return isConsistent }
                    let words = Self.explanation(in: message.attributes(after: CInt.self))
                    throw SystemError(request.operation, errno: Errno(rawValue: -error), explanation: words)
                default: read(message)
                }
            }
        }
    }

    /// Numbers requests one after the other, sends them, and answers the first one's number.
    private func send(_ requests: ArraySlice<Request>) throws(SystemError) -> UInt32 {
        let first = sequence &+ 1
        for request in requests {
            sequence &+= 1
            try request.number(sequence)
        }
        let messages = unsafe requests.map { unsafe Optional($0.message) }
        let result = unsafe messages.withUnsafeBufferPointer { messages in
            unsafe cnetlink_send(descriptor.rawValue, messages.baseAddress, messages.count)
        }
        // The pointers are the requests', which end with the last use of them.
        withExtendedLifetime(requests) {}
        guard result == 0 else { throw SystemError(.sendNetlink, errno: Errno(rawValue: -result)) }
        return first
    }

    /// The next datagram's messages, which must be read before the next call.
    private func receive() throws(SystemError) -> Messages {
        var namespaceID: CInt = -1
        let count = unsafe cnetlink_receive(descriptor.rawValue, buffer.baseAddress, buffer.count, &namespaceID)
        guard count >= 0 else { throw SystemError(.receiveNetlink, errno: Errno(rawValue: -count)) }
        return unsafe Messages(UnsafeRawBufferPointer(rebasing: buffer[..<Int(count)]))
    }

    /// What an acknowledgement says: `NLMSG_ERROR`, with 0 for success.
    private static func result(
        of message: Message, _ operation: SystemError.Operation
    ) -> Result<Void, SystemError> {
        guard let answer = message.load(nlmsgerr.self) else {
            return .failure(SystemError(operation, errno: .badMessage))
        }
        if answer.error == 0 { return .success(()) }
        var words: String?
        if message.has(flag: CInt(NLM_F_ACK_TLVS)) {
            // They follow the request, of which a capped answer has the header alone.
            let echoed =
                message.has(flag: CInt(NLM_F_CAPPED))
                ? 0 : Int(answer.msg.nlmsg_len) - MemoryLayout<nlmsghdr>.size
            words = explanation(in: message.attributes(after: MemoryLayout<nlmsgerr>.size + max(0, echoed)))
        }
        return .failure(SystemError(operation, errno: Errno(rawValue: -answer.error), explanation: words))
    }

    private static func explanation(in attributes: Attributes) -> String? {
        attributes.first { $0.type == Int(NLMSGERR_ATTR_MSG.rawValue) }?.text
    }
}
