import CNetlink
package import LinuxKit

extension NetlinkSocket {
    /// The neighbours that the namespace's links, or one, know of, without the proxies.
    ///
    /// - Throws: `.listNeighbours`.
    package func neighbours(
        of link: LinkIndex? = nil, family: IPAddress.Family? = nil
    ) throws(SystemError) -> [Neighbour] {
        let request = try Request(.listNeighbours, type: RTM_GETNEIGH, flags: NLM_F_DUMP)
        var header = ndmsg()
        header.ndm_family = family?.number ?? 0
        request.append(header)
        if let link { request.put(NDA_IFINDEX, link) }
        return try dump(request) { NeighbourReader.neighbour(in: $0) }
    }
}

extension Request {
    /// Adds a neighbour.
    ///
    /// Refused with `.fileExists` when the link knows it, unless it is `replacing` what is known.
    package static func addNeighbour(
        _ neighbour: Neighbour, replacing: Bool = false
    ) throws(SystemError) -> Request {
        let request = try Request(
            .addNeighbour, type: RTM_NEWNEIGH,
            flags: NLM_F_ACK | NLM_F_CREATE | (replacing ? NLM_F_REPLACE : NLM_F_EXCL))
        request.append(ndmsg(neighbour))
        request.put(NDA_DST, neighbour.address)
        if let mac = neighbour.mac { request.put(NDA_LLADDR, mac) }
        return request
    }

    /// Deletes a neighbour, of which the link, the address and whether it is a proxy count.
    ///
    /// Refused with `.noSuchFileOrDirectory` when the link does not know it.
    package static func deleteNeighbour(_ neighbour: Neighbour) throws(SystemError) -> Request {
        let request = try Request(.deleteNeighbour, type: RTM_DELNEIGH)
        request.append(ndmsg(neighbour))
        request.put(NDA_DST, neighbour.address)
        return request
    }
}

extension ndmsg {
    fileprivate init(_ neighbour: Neighbour) {
        self.init()
        ndm_family = neighbour.address.family.number
        ndm_ifindex = neighbour.link
        ndm_state = neighbour.state.number
        ndm_flags = UInt8((neighbour.isProxy ? NTF_PROXY : 0) | (neighbour.isRouter ? NTF_ROUTER : 0))
    }
}

/// Makes a ``Neighbour`` of what RTM_GETNEIGH answers.
enum NeighbourReader {
    /// Nil for another message, such as an entry of a bridge's.
    static func neighbour(in message: Message) -> Neighbour? {
        guard
            message.type == RTM_NEWNEIGH, let header = message.load(ndmsg.self),
            IPAddress.Family(number: header.ndm_family) != nil
        else { return nil }
        var address: IPAddress?
        var mac: MACAddress?
        for attribute in message.attributes(after: ndmsg.self) {
            switch attribute.type {
            case NDA_DST: address = attribute.address
            case NDA_LLADDR: mac = attribute.mac
            default: break
            }
        }
        guard let address else { return nil }
        return Neighbour(
            link: header.ndm_ifindex, address: address, mac: mac, state: NeighbourState(number: header.ndm_state),
            isProxy: CInt(header.ndm_flags) & NTF_PROXY != 0, isRouter: CInt(header.ndm_flags) & NTF_ROUTER != 0)
    }
}
