import LinuxKit
import NamespaceCore
import SystemPackage

extension Problem {
    /// The one table from the core's errors to problems.
    init(_ error: NamespaceError) {
        let code: Code =
            switch error.code {
            case .notFound: .namespaceNotFound
            case .nameTaken: .nameTaken
            case .differs: .namespaceDiffers
            case .stale: .namespaceStale
            case .inUse: .namespaceInUse
            case .busy: .namespaceBusy
            case .notANamespace: .notANamespace
            case .limitReached: .limitReached
            case .outOfMemory: .outOfMemory
            case .missingCapability: .missingCapability
            case .directoryNotShared: .directoryNotShared
            case .directoryUnavailable: .directoryUnavailable
            case .storageFailure: .storageFailure
            case .shuttingDown: .shuttingDown
            case .kernelFailure: .kernelFailure
            }
        self.init(code, error.message)
        operation = error.cause?.operation.rawValue
        path = error.cause?.path?.string
        errno = error.cause?.errno.rawValue
        processes = error.processes.isEmpty ? nil : error.processes
    }
}
