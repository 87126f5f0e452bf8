import CNetlink
package import LinuxKit
import SystemPackage

/// Makes tun and tap devices, which the kernel does by an ioctl(2) and no message.
package enum TunDevice {
    /// Makes a device that stays, in the calling thread's network namespace. It is deleted like other links.
    ///
    /// - Throws: `.makeTun`; with `.resourceBusy` for a name that is taken, and where there is no tun driver with
    ///   ``SystemError/lacksKind``.
    package static func create(_ name: LinkName, _ tun: Tun) throws(SystemError) {
        var flags = (tun.mode == .tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI | IFF_TUN_EXCL
        if tun.hasSeveralQueues { flags |= IFF_MULTI_QUEUE }
        let result = unsafe name.text.withCString {
            unsafe cnetlink_make_tun(
                $0, CInt(flags), tun.owner.map { Int64($0) } ?? -1, tun.group.map { Int64($0) } ?? -1)
        }
        guard result == 0 else { throw SystemError(.makeTun, "/dev/net/tun", errno: Errno(rawValue: -result)) }
    }
}
