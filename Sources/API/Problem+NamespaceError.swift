import CNI
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
            case .preconditionFailed: .preconditionFailed
            case .noLease: .noLease
            case .sourceNotFound: .sourceNotFound
            case .notANetworkNamespace: .notANetworkNamespace
            case .invalidLabels, .sysctlRefused: .invalidField
            case .processNotFound: .processNotFound
            case .networkNotFound: .networkNotFound
            case .pluginFailed: .pluginFailed
            case .pluginTimedOut: .pluginTimedOut
            case .attachmentNotFound: .attachmentNotFound
            case .attachmentExists: .attachmentExists
            case .linkNotFound: .linkNotFound
            case .linkTaken: .linkTaken
            case .entryNotFound: .entryNotFound
            case .entryTaken: .entryTaken
            case .notSupported: .notSupported
            case .refusedByKernel: .refusedByKernel
            case .wireNotFound: .wireNotFound
            case .wireTaken: .wireTaken
            case .quotaReached: .quotaReached
            case .changeForbidden, .deletionForbidden, .inspectionForbidden, .adoptionForbidden, .hostForbidden:
                .forbidden
            case .sysctlNotFound: .sysctlNotFound
            case .sysctlNotAllowed: .sysctlNotAllowed
            case .dnsNotFound: .dnsNotFound
            case .kernelFailure: .kernelFailure
            }
        self.init(code, error.message)
        operation = error.cause?.operation.rawValue
        path = error.cause?.path?.string
        errno = error.cause?.errno.rawValue
        plugin = error.plugin.map(PluginFailure.init)
        processes = error.processes.isEmpty ? nil : error.processes
        if error.code == .invalidLabels { field = "labels" }
        if error.code == .sysctlRefused { field = "value" }
        if error.code == .quotaReached { retryAfter = Admission.quotaDelay }
        right = Right(missingFor: error.code)
    }

    /// What kept a namespace from being made, with the field that asked for the impossible.
    init(_ error: NamespaceError, of creation: Creation) {
        self.init(error)
        if case .existing(let source) = creation.kind, [.sourceNotFound, .notANetworkNamespace].contains(error.code) {
            field = source.isOfProcess ? "from.pid" : "from.path"
        }
    }

    /// What kept an atomic batch from being made.
    init(_ error: BatchError, of creation: Creation) {
        self.init(.batchFailed, "An item failed, and everything that was made before it was undone; see cause.")
        item = error.item
        cause = [Problem(error.cause, of: creation)]
    }
}

extension PluginFailure {
    fileprivate init(_ error: CNIError) {
        self.init(
            network: error.network, type: error.plugin, command: error.command?.rawValue, code: error.code)
        if case .refused(_, let details) = error.reason { self.details = details }
    }
}

extension Right {
    /// The right whose lack the core has refused for; nil for any other reason.
    fileprivate init?(missingFor code: NamespaceError.Code) {
        switch code {
        case .changeForbidden: self = .changeOthers
        case .deletionForbidden: self = .deleteOthers
        case .inspectionForbidden: self = .inspectOthers
        case .adoptionForbidden: self = .adopt
        case .hostForbidden: self = .host
        default: return nil
        }
    }
}
