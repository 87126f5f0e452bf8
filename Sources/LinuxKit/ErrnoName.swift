import CLinux
package import SystemPackage

extension Errno {
    /// As the manual pages call it, such as `ENOSPC`; nil for a number that has no name.
    package var name: String? {
        guard let name = unsafe clinux_errno_name(rawValue) else { return nil }
        return unsafe String(cString: name)
    }
}
