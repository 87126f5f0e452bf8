import CNI
import HTTPTypes
import JSONText
import MicroHTTP
import NamespaceCore

extension Response {
    /// 200 with an attachment.
    static func attachment(_ attachment: Attachment, status: HTTPResponse.Status = .ok) -> Response {
        .json(status: status) { $0.members(of: attachment) }
    }

    /// 201 with an attachment and where it is.
    static func created(_ attachment: Attachment, of name: NamespaceName) -> Response {
        var response = Response.attachment(attachment, status: .created)
        let id = NamespaceName(bytes: Array(attachment.key.id.utf8))?.pathSegment ?? ""
        response.headerFields[.location] = "/v1/namespaces/\(name.pathSegment)/attachments/\(id)"
        return response
    }
}

extension JSONWriter {
    /// An attachment's members; every one is always there.
    mutating func members(of attachment: Attachment) {
        member("id", attachment.key.id)
        member("network", attachment.key.network)
        member("interface", attachment.key.interface)
        member("containerID", attachment.key.containerID)
        member("cniVersion", attachment.version)
        member("createdAt", Timestamp(milliseconds: attachment.modified / 1_000_000).description)
        key("result")
        if let result = attachment.result { object { $0.members(ofResult: result) } } else { null() }
    }

    /// A result in the form of version 1.1.0, whatever version it was written in.
    private mutating func members(ofResult result: JSONValue) {
        let old = ["ip4", "ip6"].compactMap { result[$0] }
        key("interfaces")
        array(of: result["interfaces"]?.array ?? []) { (writer, interface) in
            writer.object { writer in
                for key in ["name", "mac", "sandbox"] { writer.member(named: key, interface[key]?.string) }
                writer.member("mtu", interface["mtu"]?.int64)
            }
        }
        key("ips")
        array { writer in
            for ip in (result["ips"]?.array ?? []) + old {
                writer.object { writer in
                    writer.member("address", ip["address"]?.string ?? ip["ip"]?.string)
                    writer.member("gateway", ip["gateway"]?.string)
                    writer.member("interface", ip["interface"]?.int64)
                }
            }
        }
        key("routes")
        array { writer in
            for route in (result["routes"]?.array ?? []) + old.flatMap({ $0["routes"]?.array ?? [] }) {
                writer.object { writer in
                    writer.member("dst", route["dst"]?.string)
                    writer.member("gw", route["gw"]?.string)
                    for key in ["mtu", "advmss", "priority", "table", "scope"] {
                        writer.key(named: key)
                        if let number = route[key]?.int64 { writer.value(number) } else { writer.null() }
                    }
                }
            }
        }
        member("dns") { writer in
            let dns = result["dns"]
            writer.member("nameservers", dns.strings("nameservers"))
            writer.member("domain", dns?["domain"]?.string)
            writer.member("search", dns.strings("search"))
            writer.member("options", dns.strings("options"))
        }
    }
}

extension JSONValue? {
    /// The strings of an array that is a member; none where there is no such thing.
    fileprivate func strings(_ key: String) -> [String] { (self?[key]?.array ?? []).compactMap(\.string) }
}
