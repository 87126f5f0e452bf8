import CNetlink
package import LinuxKit

extension NetlinkSocket {
    /// The addresses of the namespace's links, or of one.
    ///
    /// - Throws: `.listAddresses`; with `ENODEV` when there is no such link.
    package func addresses(
        of link: LinkIndex? = nil, family: IPAddress.Family? = nil
    ) throws(SystemError) -> [InterfaceAddress] {
        let request = try Request(.listAddresses, type: RTM_GETADDR, flags: NLM_F_DUMP)
        var header = ifaddrmsg()
        header.ifa_family = family?.number ?? 0
        header.ifa_index = UInt32(bitPattern: link ?? 0)
        request.append(header)
        return try dump(request) { AddressReader.address(in: $0) }
    }
}

extension Request {
    /// Adds an address.
    ///
    /// Refused with `.fileExists` when the link has it, unless it is `replacing` one, whose lifetimes and flags it then
    /// changes.
    package static func addAddress(
        _ address: InterfaceAddress, replacing: Bool = false
    ) throws(SystemError) -> Request {
        let request = try Request(
            .addAddress, type: RTM_NEWADDR, flags: NLM_F_ACK | NLM_F_CREATE | (replacing ? NLM_F_REPLACE : NLM_F_EXCL))
        request.append(ifaddrmsg(address))
        request.putAddresses(of: address)
        if let broadcast = address.broadcast { request.put(IFA_BROADCAST, broadcast) }
        if let label = address.label { request.put(IFA_LABEL, text: label) }
        if !address.flags.isEmpty { request.put(IFA_FLAGS, address.flags.rawValue) }
        if address.validLifetime != nil || address.preferredLifetime != nil {
            var lifetimes = ifa_cacheinfo()
            lifetimes.ifa_valid = address.validLifetime ?? .max
            lifetimes.ifa_prefered = min(address.preferredLifetime ?? .max, lifetimes.ifa_valid)
            request.put(IFA_CACHEINFO, lifetimes)
        }
        return request
    }

    /// Deletes an address, of which the link, the prefix and the peer count.
    ///
    /// Refused with `.addressNotAvailable` when the link does not have it.
    package static func deleteAddress(_ address: InterfaceAddress) throws(SystemError) -> Request {
        let request = try Request(.deleteAddress, type: RTM_DELADDR)
        request.append(ifaddrmsg(address))
        request.putAddresses(of: address)
        return request
    }

    private func putAddresses(of address: InterfaceAddress) {
        put(IFA_LOCAL, address.address.address)
        put(IFA_ADDRESS, address.peer ?? address.address.address)
    }
}

extension ifaddrmsg {
    fileprivate init(_ address: InterfaceAddress) {
        self.init()
        ifa_family = address.address.family.number
        ifa_prefixlen = UInt8(address.address.length)
        ifa_scope = address.scope.rawValue
        ifa_index = UInt32(bitPattern: address.link)
    }
}

/// Makes an ``InterfaceAddress`` of what RTM_GETADDR answers.
enum AddressReader {
    /// Nil for another message, or an address of another protocol.
    static func address(in message: Message) -> InterfaceAddress? {
        guard
            message.type == RTM_NEWADDR || message.type == RTM_DELADDR, let header = message.load(ifaddrmsg.self),
            let family = IPAddress.Family(number: header.ifa_family)
        else { return nil }
        var address = InterfaceAddress(
            link: LinkIndex(bitPattern: header.ifa_index), address: .all(family),
            scope: RouteScope(rawValue: header.ifa_scope), flags: AddressFlags(rawValue: UInt32(header.ifa_flags)))
        var local: IPAddress?
        var remote: IPAddress?
        for attribute in message.attributes(after: ifaddrmsg.self) {
            switch attribute.type {
            case IFA_LOCAL: local = attribute.address
            case IFA_ADDRESS: remote = attribute.address
            case IFA_BROADCAST: address.broadcast = attribute.address
            case IFA_LABEL: address.label = attribute.text
            case IFA_FLAGS: address.flags = AddressFlags(rawValue: attribute.load() ?? address.flags.rawValue)
            case IFA_CACHEINFO: read(attribute, into: &address)
            default: break
            }
        }
        // IPv6 has IFA_LOCAL for an address with a peer alone, IPv4 always.
        guard let own = local ?? remote, let prefix = IPPrefix(own, length: Int(header.ifa_prefixlen)) else {
            return nil
        }
        address.address = prefix
        if let remote, remote != own { address.peer = remote }
        return address
    }

    private static func read(_ attribute: Attribute, into address: inout InterfaceAddress) {
        guard let lifetimes = attribute.load(ifa_cacheinfo.self) else { return }
        address.validLifetime = lifetimes.ifa_valid == .max ? nil : lifetimes.ifa_valid
        address.preferredLifetime = lifetimes.ifa_prefered == .max ? nil : lifetimes.ifa_prefered
    }
}
