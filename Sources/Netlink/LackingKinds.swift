import Glibc
package import LinuxKit
package import SystemPackage

extension Errno {
    /// `ENODEV`: there is no such link.
    package static let noSuchDevice = Errno(rawValue: Glibc.ENODEV)
}

extension SystemError {
    /// Whether the kernel refused because it lacks the kind of link or of queueing discipline: its module is missing.
    package var lacksKind: Bool {
        switch operation {
        case .addLink: errno == .notSupported && explanation == "Unknown device type"
        case .addQueueDiscipline:
            errno == .noSuchFileOrDirectory && explanation == "Specified qdisc kind is unknown"
        case .makeTun: errno == .noSuchFileOrDirectory || errno == .noSuchDevice || errno == .noSuchAddressOrDevice
        default: false
        }
    }
}
