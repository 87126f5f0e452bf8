import CNetlink
package import LinuxKit

extension NetlinkSocket {
    /// The id that the socket's namespace has for another one, nil if none: what ``Link/lowerNamespaceID`` tells.
    ///
    /// - Throws: `.findNamespaceID`; with `.invalidArgument` for what is no network namespace.
    package func namespaceID(of namespace: borrowing OwnedDescriptor) throws(SystemError) -> NamespaceID? {
        let request = try Request(.findNamespaceID, type: RTM_GETNSID, flags: 0)
        request.append(rtgenmsg())
        request.put(NETNSA_FD, UInt32(bitPattern: namespace.rawValue))
        let id = try ask(request) { message in
            message.attributes(after: rtgenmsg.self).first { $0.type == NETNSA_NSID }?.load(NamespaceID.self)
        }
        return id < 0 ? nil : id
    }
}

extension Request {
    /// Gives another namespace an id in the socket's own: the next free one.
    ///
    /// Refused with `.fileExists` when it has one, which needs not be a failure.
    package static func assignNamespaceID(to namespace: borrowing OwnedDescriptor) throws(SystemError) -> Request {
        let request = try Request(.assignNamespaceID, type: RTM_NEWNSID)
        request.append(rtgenmsg())
        request.put(NETNSA_NSID, NamespaceID(-1))
        request.put(NETNSA_FD, UInt32(bitPattern: namespace.rawValue))
        return request
    }
}
