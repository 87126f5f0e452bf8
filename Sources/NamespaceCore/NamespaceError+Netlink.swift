import LinuxKit
import Netlink
import SystemPackage

extension NamespaceError {
    /// Puts what the kernel has answered to a netlink message into the words of what was being done; nil for what netlink
    /// has in common with other system calls.
    static func ofNetlink(_ cause: SystemError) -> (Code, String)? {
        let words = cause.explanation.map { ": \($0)." } ?? "."
        if cause.lacksKind { return (.notSupported, "This kernel lacks the module for that\(words)") }
        switch (cause.operation, cause.errno) {
        case (.addLink, .notSupported):
            // Such as a bridge's VLAN filtering, which is an option of the kernel's build.
            return (.notSupported, "This kernel does not support that\(words)")
        case (.addLink, .fileExists), (.changeLink, .fileExists), (.moveLink, .fileExists):
            return (.linkTaken, "There is a link of this name already; choose another name or delete it.")
        case (.returnLink, .fileExists):
            return (.linkTaken, "Rename or delete a link of the host first\(words)")
        case (.findLink, .noSuchDevice), (.addLink, .noSuchDevice), (.changeLink, .noSuchDevice),
            (.moveLink, .noSuchDevice),
            (.deleteLink, .noSuchDevice), (.addAddress, .noSuchDevice), (.addRoute, .noSuchDevice),
            (.addNeighbour, .noSuchDevice):
            return (.linkNotFound, cause.explanation.map { "\($0)." } ?? "There is no such link.")
        case (.addAddress, .fileExists), (.addRoute, .fileExists), (.addNeighbour, .fileExists),
            (.addRule, .fileExists):
            return (.entryTaken, "There is one already\(words)")
        case (.deleteAddress, .addressNotAvailable), (.deleteRoute, .noSuchProcess),
            (.deleteRoute, .noSuchFileOrDirectory), (.deleteNeighbour, .noSuchFileOrDirectory),
            (.deleteRule, .noSuchFileOrDirectory):
            return (.entryNotFound, "There is none like that\(words)")
        case (_, .notPermitted), (_, .permissionDenied), (_, .noMemory), (_, .tooManyOpenFiles),
            (_, .tooManyOpenFilesInSystem):
            return nil
        case (.addLink, _), (.changeLink, _), (.moveLink, _), (.returnLink, _), (.deleteLink, _), (.makeTun, _),
            (.addAddress, _), (.deleteAddress, _), (.addRoute, _), (.deleteRoute, _), (.addNeighbour, _),
            (.deleteNeighbour, _), (.addRule, _), (.deleteRule, _), (.addQueueDiscipline, _),
            (.deleteQueueDiscipline, _):
            return (.refusedByKernel, "The kernel refuses (\(cause.errno))\(words)")
        default:
            return nil
        }
    }
}
