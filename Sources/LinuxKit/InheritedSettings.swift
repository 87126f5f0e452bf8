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
    fileprivate struct Place {
        let path: FilePath
        let names: [String]
        var isIPv6Configuration = false
    }

    private static let root: FilePath = "/proc/sys/net"
    private static let inherits = "devconf_inherit_init_net"
    private static let places = [
        Place(path: root.appending("core"), names: [inherits, "fb_tunnels_only_for_init_net"]),
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

    /// A file, by its directory's number.
    private struct Setting: Hashable {
        let place: Int
        let name: [UInt8]
    }

    /// What the settings say; no text where one cannot be read.
    private typealias Values = [Setting: [UInt8]]

    private let notify: OwnedDescriptor
    /// In the order of the places; nil for those that are not there, or were not when that was last looked at.
    private var places: [HeldPlace?]
    private var placeOfWatch: [CInt: Int]
    private var values: Values = [:]
    /// How often one was found to have been written, whatever was written: one more than before says that what was made
    /// since then may have either value.
    private(set) var writes = 0

    /// Watches from now on. nil says that a new namespace's settings come from where the calling thread cannot see
    /// them: the daemon is in a network namespace of its own, or procfs does not show the settings.
    init?() throws(SystemError) {
        // Only the first namespace has this one.
        guard (try? Node.at(Self.root.appending("core").appending(Self.inherits))) != nil else { return nil }
        let notify = OwnedDescriptor(owning: try call(.openNotify) { clinux_notify_open() })
        var places: [HeldPlace?] = Self.places.map { _ in nil }
        var placeOfWatch: [CInt: Int] = [:]
        try Self.hold(&places, &placeOfWatch, notify)
        self.notify = notify
        self.places = places
        self.placeOfWatch = placeOfWatch
        values = read()
    }

    /// Opens and watches the places that are not held: without IPv6 or the module, there is nothing of it to copy, but
    /// either may come.
    private static func hold(
        _ places: inout [HeldPlace?], _ placeOfWatch: inout [CInt: Int], _ notify: borrowing OwnedDescriptor
    ) throws(SystemError) {
        let rawValue = notify.rawValue
        for (number, place) in Self.places.enumerated() where places[number] == nil {
            guard let held = try? HeldPlace(place) else { continue }
            let watch = try call(.watch, place.path) {
                unsafe place.path.withPlatformString { unsafe clinux_notify_watch_writes(rawValue, $0) }
            }
            placeOfWatch[watch] = number
            places[number] = held
        }
    }

    /// Whether a setting was written since this was last asked, and so that its value is another than before: what was
    /// made earlier has the old one. Costs a read(2) when nothing was written.
    mutating func haveChanged() -> Bool {
        switch written() {
        case .none:
            return false
        case .some(let settings):
            let known = settings.filter { values[$0] != nil }
            if !known.isEmpty { writes += 1 }
            return known.contains { values[$0] != (places[$0.place]?.read($0.name) ?? []) } && reread()
        case .unknown:
            writes += 1
            return reread()
        }
    }

    /// Reads them all, and answers whether any has another value than before. Takes a millisecond.
    mutating func reread() -> Bool {
        // One that cannot be watched now is tried again the next time.
        try? Self.hold(&places, &placeOfWatch, notify)
        let now = read()
        guard now != values else { return false }
        values = now
        writes += 1
        return true
    }

    private enum Written {
        case none
        case some([Setting])
        /// More than the kernel would remember.
        case unknown
    }

    private borrowing func written() -> Written {
        var settings: [Setting] = []
        // The kernel wants room for a name of any length; few events come at once.
        return unsafe withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            while true {
                let count = unsafe clinux_read(notify.rawValue, buffer.baseAddress, buffer.count)
                guard count > 0 else { return settings.isEmpty ? .none : .some(settings) }
                var offset = 0
                while offset < Int(count) {
                    // SAFETY: inotify(7) answers with whole events, each followed by `len` bytes of its name.
                    let event = unsafe buffer.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                    let start = offset + MemoryLayout<inotify_event>.size
                    offset = start + Int(event.len)
                    guard let place = placeOfWatch[event.wd] else { return .unknown }
                    let name = unsafe Array(buffer[start..<offset].prefix { $0 != 0 })
                    settings.append(Setting(place: place, name: name))
                }
            }
        }
    }

    private mutating func read() -> Values {
        var values: Values = [:]
        var copiesIPv6 = false
        for (number, held) in places.enumerated() {
            guard let held, copiesIPv6 || !held.place.isIPv6Configuration else { continue }
            var isGone = true
            for name in held.names {
                let text = held.read(name)
                values[Setting(place: number, name: name)] = text ?? []
                if text != nil { isGone = false }
                // The first that there is: those of IPv6 are copied on demand only.
                if name.elementsEqual(Self.inherits.utf8) {
                    copiesIPv6 = ["1\n", "3\n"].contains { text?.elementsEqual($0.utf8) ?? false }
                }
            }
            // A module that goes takes its directory with it, and has another one when it comes again.
            if isGone { places[number] = nil }
        }
        return values
    }
}

/// A directory of settings, which stays known to the kernel while this is held.
private final class HeldPlace: Sendable {
    let place: InheritedSettings.Place
    private let descriptor: OwnedDescriptor

    init(_ place: InheritedSettings.Place) throws(SystemError) {
        self.place = place
        descriptor = try OwnedDescriptor.open(place.path, clinux_o_path | O_DIRECTORY)
    }

    /// Those that are copied.
    var names: [[UInt8]] {
        guard place.names.isEmpty else { return place.names.map { Array($0.utf8) } }
        return (try? FileSystem.names(in: place.path)) ?? []
    }

    /// What a setting says; nil where it cannot be read. From the directory on, as the way there is most of it.
    func read(_ name: [UInt8]) -> [UInt8]? {
        // procfs tells a setting whole at the first read(2), and there is none that long.
        let (directory, name) = (descriptor.rawValue, name.map { CChar(bitPattern: $0) } + [0])
        let opened = unsafe name.withUnsafeBufferPointer { name in
            try? call(.open, place.path) { unsafe clinux_open_in(directory, name.baseAddress, O_RDONLY) }
        }
        guard let opened else { return nil }
        let file = OwnedDescriptor(owning: opened)
        return unsafe withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            let count = unsafe clinux_read(file.rawValue, buffer.baseAddress, buffer.count)
            return count < 0 ? nil : unsafe Array(buffer.prefix(Int(count)))
        }
    }
}
