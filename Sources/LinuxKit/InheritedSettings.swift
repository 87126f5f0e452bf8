import CLinux
import Glibc
import SystemPackage

/// The settings of the first network namespace that every new one starts with a copy of, and whether they have changed.
///
/// Problem: a namespace made in advance has the settings of that moment, one made on demand those of now. Rule: the
/// directories of those settings are held open and watched with inotify(7), so that a write through the host's procfs
/// is known of before the next namespace is handed out, at the price of one read(2). Watching a directory of
/// `/proc/sys/net` works only while it is held open: the kernel forgets its inode otherwise. Remaining hazard: a write
/// through another mount of procfs (a container's own) or netlink (`ip ntable change`), and one to a module that was
/// loaded later, is seen by ``reread()`` only.
///
/// What is copied, found out by changing every setting of Linux 6.18 and comparing: `devinet_init_net`,
/// `addrconf_init_net`, `neigh_parms_alloc`, `tcp_sk_init` and `udp_sk_init` are the places in the kernel.
struct InheritedSettings: ~Copyable {
    /// A directory of `/proc/sys/net`, and which of its files are copied: all of them if none are named.
    private struct Place {
        let path: FilePath
        let names: [String]
        var isIPv6Configuration = false
    }

    private static let root: FilePath = "/proc/sys/net"
    private static let inherits = root.appending("core/devconf_inherit_init_net")
    private static let places = [
        Place(path: root.appending("core"), names: ["devconf_inherit_init_net", "fb_tunnels_only_for_init_net"]),
        Place(
            path: root.appending("ipv4"),
            names: [
                "ip_forward", "tcp_rmem", "tcp_wmem", "tcp_congestion_control", "tcp_child_ehash_entries",
                "udp_child_hash_entries",
            ]),
        Place(path: root.appending("ipv4/conf/all"), names: []),
        Place(path: root.appending("ipv4/conf/default"), names: []),
        Place(path: root.appending("ipv4/neigh/default"), names: []),
        Place(path: root.appending("ipv6/conf/all"), names: [], isIPv6Configuration: true),
        Place(path: root.appending("ipv6/conf/default"), names: [], isIPv6Configuration: true),
        Place(path: root.appending("ipv6/neigh/default"), names: []),
        // Not a setting of a namespace, but of the module that gives each one its own.
        Place(path: "/sys/module/nf_conntrack/parameters", names: ["acct", "tstamp"]),
    ]

    /// A file with a setting, and what it says; no text where it cannot be read.
    private typealias Values = [FilePath: [UInt8]]

    private let notify: OwnedDescriptor
    /// Held, not used: see above.
    private let directories: [HeldDirectory]
    private let pathOfWatch: [CInt: FilePath]
    private var values: Values
    /// How often one was found to have been written, whatever was written: one more than before says that what was made
    /// since then may have either value.
    private(set) var writes = 0

    /// Watches from now on. nil says that a new namespace's settings come from where the calling thread cannot see
    /// them: the daemon is in a network namespace of its own, or procfs does not show the settings.
    init?() throws(SystemError) {
        // Only the first namespace has this one.
        guard (try? Node.at(Self.inherits)) != nil else { return nil }
        let notify = OwnedDescriptor(owning: try call(.openNotify) { clinux_notify_open() })
        var directories: [HeldDirectory] = []
        var pathOfWatch: [CInt: FilePath] = [:]
        for place in Self.places {
            // Without IPv6 or the module, there is nothing of it to copy.
            guard let directory = try? HeldDirectory(place.path) else { continue }
            let rawValue = notify.rawValue
            let watch = try call(.watch, place.path) {
                unsafe place.path.withPlatformString { unsafe clinux_notify_watch_writes(rawValue, $0) }
            }
            directories.append(directory)
            pathOfWatch[watch] = place.path
        }
        self.notify = notify
        self.directories = directories
        self.pathOfWatch = pathOfWatch
        values = Self.read()
    }

    /// Whether a setting was written since this was last asked, and so that its value is another than before: what was
    /// made earlier has the old one. Costs a read(2) when nothing was written.
    mutating func haveChanged() -> Bool {
        switch writtenFiles() {
        case .none:
            return false
        case .some(let files):
            let known = files.filter { values[$0] != nil }
            if !known.isEmpty { writes += 1 }
            return known.contains { values[$0] != Self.read($0) } && reread()
        case .unknown:
            writes += 1
            return reread()
        }
    }

    /// Reads them all, and answers whether any has another value than before. Takes half a millisecond.
    mutating func reread() -> Bool {
        let now = Self.read()
        guard now != values else { return false }
        values = now
        writes += 1
        return true
    }

    private enum Written {
        case none
        case some([FilePath])
        /// More than the kernel would remember.
        case unknown
    }

    private borrowing func writtenFiles() -> Written {
        var files: [FilePath] = []
        // The kernel wants room for a name of any length; few events come at once.
        return unsafe withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            while true {
                let count = unsafe clinux_read(notify.rawValue, buffer.baseAddress, buffer.count)
                guard count > 0 else { return files.isEmpty ? .none : .some(files) }
                var offset = 0
                while offset < Int(count) {
                    // SAFETY: inotify(7) answers with whole events, each followed by `len` bytes of its name.
                    let event = unsafe buffer.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                    let start = offset + MemoryLayout<inotify_event>.size
                    offset = start + Int(event.len)
                    guard let path = pathOfWatch[event.wd] else { return .unknown }
                    let name = unsafe Array(buffer[start..<offset].prefix { $0 != 0 })
                    files.append(path.entry(name))
                }
            }
        }
    }

    private static func read() -> Values {
        var values: Values = [:]
        for place in places {
            // Those of IPv6 are copied on demand only, which is the first setting there is.
            let inherited = String(decoding: values[inherits] ?? [], as: UTF8.self)
            guard !place.isIPv6Configuration || inherited == "1\n" || inherited == "3\n" else { continue }
            let all = place.names.isEmpty ? try? FileSystem.names(in: place.path) : nil
            for name in all ?? place.names.map({ Array($0.utf8) }) {
                let path = place.path.entry(name)
                values[path] = read(path)
            }
        }
        return values
    }

    private static func read(_ path: FilePath) -> [UInt8] {
        (try? FileSystem.read(path)) ?? []
    }
}

/// A directory that stays known to the kernel while this is held.
private final class HeldDirectory: Sendable {
    private let descriptor: OwnedDescriptor

    init(_ path: FilePath) throws(SystemError) {
        descriptor = try OwnedDescriptor.open(path, clinux_o_path | O_DIRECTORY)
    }
}
