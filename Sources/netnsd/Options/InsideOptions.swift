import ArgumentParser
import NamespaceCore

/// The flags of what namespaces have inside.
struct InsideOptions: ParsableArguments {
    static let defaultEtcDirectory = "/etc/netns"

    @Option(
        help: ArgumentHelp(
            """
            Let clients read and set the sysctls whose keys match, * being any characters; may be repeated. With one such \
            flag, no others. [NETNSD_SYSCTLS, separated by commas] (default: those that each namespace has of its own)
            """, valueName: "pattern"))
    var sysctl: [String] = []

    @Option(
        help: ArgumentHelp(
            """
            The directory of the namespaces' resolv.conf and hosts. [NETNSD_NETNS_ETC_DIR] \
            (default: \(defaultEtcDirectory), where ip netns exec looks)
            """, valueName: "dir"))
    var netnsEtcDir: String?

    /// The sysctls that clients may read and set.
    ///
    /// - Parameter variable: The value of `NETNSD_SYSCTLS`, nil where it is not set.
    /// - Throws: `ValidationError` with a line for the user.
    func allowList(_ variable: String?) throws -> SysctlAllowList {
        let patterns =
            sysctl.isEmpty ? (variable ?? "").split(separator: ",").map { String($0).trimmingSpaces } : sysctl
        guard !patterns.isEmpty else { return .standard }
        guard let list = SysctlAllowList(patterns) else {
            throw ValidationError(
                "--sysctl: one of '\(patterns.joined(separator: ","))' is not net. and more of a key, in which * may stand."
            )
        }
        return list
    }
}
