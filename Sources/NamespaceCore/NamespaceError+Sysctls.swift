import LinuxKit
import SystemPackage

extension NamespaceError {
    /// The words for a sysctl that could not be read or set; nil for any other failure.
    static func wordsOfSysctl(_ cause: SystemError) -> (code: Code, message: String)? {
        switch (cause.operation, cause.errno) {
        case (.openSysctl, .noSuchFileOrDirectory), (.openSysctl, .isDirectory), (.openSysctl, .notDirectory),
            (.openSysctl, .fileNameTooLong):
            (.sysctlNotFound, "The namespace has no such sysctl; list them to see which it has.")
        case (.readSysctl, .ioError):
            (.sysctlNotFound, "The sysctl has no value yet.")
        case (.openSysctl, .permissionDenied), (.openSysctl, .notPermitted), (.writeSysctl, .permissionDenied),
            (.writeSysctl, .notPermitted):
            (.sysctlNotAllowed, "The kernel does not let this sysctl be read, or set, in a namespace.")
        case (.verifySysctl, _):
            (.sysctlNotAllowed, "What is set there is the whole host's; sysctl(8) sets it, and nobody here.")
        case (.writeSysctl, let errno) where errno != .noMemory:
            (.sysctlRefused, "The kernel takes no such value for this sysctl.")
        default:
            nil
        }
    }
}
