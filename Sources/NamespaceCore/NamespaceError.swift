package import CNI
package import LinuxKit
import SystemPackage

/// Why an operation on a namespace was refused or failed. It knows no HTTP; the API has one table that does.
package struct NamespaceError: Error, Sendable {
    /// What kind of failure it is.
    package enum Code: String, Sendable, CaseIterable {
        case notFound
        case nameTaken
        /// PUT found a namespace of the name that is not what was asked for.
        case differs
        /// PUT found a file of the name that is no namespace.
        case stale
        /// Processes are inside, and the client asked not to delete then.
        case inUse
        /// The file is held in another mount namespace and could not be unlinked in time.
        case busy
        /// What has the name, such as a directory, cannot be a namespace and is not ours to delete.
        case notANamespace
        case limitReached
        case outOfMemory
        case missingCapability
        /// Mounts in the directory do not reach the host.
        case directoryNotShared
        /// The directory is missing and cannot be set up.
        case directoryUnavailable
        /// The record could not be written.
        case storageFailure
        /// The namespace is in another state than the client made a condition.
        case preconditionFailed
        case noLease
        /// A patch would give it labels that are not allowed.
        case invalidLabels
        /// What was to be adopted does not exist.
        case sourceNotFound
        /// What was to be adopted is no network namespace.
        case notANetworkNamespace
        case processNotFound
        /// No CNI network of the name is configured.
        case networkNotFound
        /// A CNI plugin refused or failed, or is not there.
        case pluginFailed
        /// A CNI plugin took too long, and was killed.
        case pluginTimedOut
        case attachmentNotFound
        /// There is an attachment of the same key, or of the same interface of the namespace.
        case attachmentExists
        case linkNotFound
        case linkTaken
        /// There is no such address, route, neighbour or rule.
        case entryNotFound
        /// There is such an address, route, neighbour or rule already.
        case entryTaken
        /// The kernel lacks what it takes: a kind of link, a queue discipline.
        case notSupported
        /// The kernel does not do this with these values.
        case refusedByKernel
        case wireNotFound
        case wireTaken
        /// The principal has as many as they may have.
        case quotaReached
        case sysctlNotFound
        /// The kernel does not let it be read or set there.
        case sysctlNotAllowed
        /// The kernel does not take the value.
        case sysctlRefused
        /// The namespace has no resolv.conf and hosts.
        case dnsNotFound
        case shuttingDown
        /// What is not one's own is not to be changed, deleted or looked into; an existing namespace not to be named.
        case changeForbidden
        case deletionForbidden
        case inspectionForbidden
        case adoptionForbidden
        /// The namespace that the daemon runs in is not to be touched.
        case hostForbidden
        /// The kernel answered something we have no better word for.
        case kernelFailure
    }

    package let code: Code
    /// For a person: what happened and what to do.
    package let message: String
    package let cause: SystemError?
    /// The processes inside, for `.inUse`.
    package let processes: [Int32]
    /// Which plugin failed at what, and in which way.
    package let plugin: CNIError?

    package init(
        _ code: Code, _ message: String, cause: SystemError? = nil, processes: [Int32] = [], plugin: CNIError? = nil
    ) {
        self.code = code
        self.message = message
        self.cause = cause
        self.processes = processes
        self.plugin = plugin
    }
}

extension NamespaceError {
    /// Puts what went wrong with a CNI network into the words of what was being done.
    package init(_ error: CNIError) {
        switch error.reason {
        case .networkNotFound: self.init(.networkNotFound, error.message)
        case .attached: self.init(.attachmentExists, error.message)
        case .timedOut: self.init(.pluginTimedOut, error.message, plugin: error)
        case .system(let cause) where cause.operation == .spawn:
            self.init(.pluginFailed, error.message, cause: cause, plugin: error)
        case .system(let cause) where error.plugin != nil: self.init(cause)
        case .system(let cause):
            self.init(.storageFailure, "The directory of CNI attachments cannot be read or written.", cause: cause)
        default: self.init(.pluginFailed, error.message, plugin: error)
        }
    }
}

extension NamespaceError {
    /// Puts a failed system call into the words of what was being done.
    package init(_ cause: SystemError) {
        if let words = Self.wordsOfSysctl(cause) {
            self.init(words.code, words.message, cause: cause)
            return
        }
        let code: Code
        let message: String
        if let (code, message) = Self.ofNetlink(cause) {
            self.init(code, message, cause: cause)
            return
        }
        switch (cause.operation, cause.errno) {
        case (.createFile, .fileExists):
            (code, message) = (.nameTaken, "There is an entry of this name already; choose another name or delete it.")
        case (.openSource, .noSuchFileOrDirectory), (.openSource, .noSuchProcess):
            (code, message) = (.sourceNotFound, "There is no such process or path to take a namespace from.")
        case (.openSource, .permissionDenied), (.statx, .permissionDenied):
            (code, message) = (
                .missingCapability, "The daemon may not look at this process; it needs CAP_SYS_PTRACE to."
            )
        case (.verifyNamespace, .noSuchFileOrDirectory):
            (code, message) = (.notFound, "There is no entry of this name in the mount directory.")
        case (.verifyNamespace, _):
            (code, message) = (.stale, "The file of this name is no mounted network namespace.")
        case (.bindMount, .noSuchFileOrDirectory), (.verifyMount, _):
            (code, message) = (.busy, "Another tool takes the file away before it is mounted on; try again later.")
        case (.verifySource, _):
            (code, message) = (.notANetworkNamespace, "What is to get a name is no network namespace.")
        case (.submitJob, _):
            (code, message) = (.shuttingDown, "The daemon is shutting down; ask again when it is back.")
        case (.verifyDirectory, _), (.mkdir, _), (.realpath, _), (.flock, _), (.makeShared, _), (.makePrivate, _):
            (code, message) = (.directoryUnavailable, "The mount directory cannot be set up.")
        case (_, .notPermitted), (_, .permissionDenied):
            (code, message) = (
                .missingCapability,
                "The kernel refused; the daemon needs CAP_SYS_ADMIN and CAP_NET_ADMIN in the initial user namespace."
            )
        case (.unshare, .noSpace):
            (code, message) = (
                .limitReached, "user.max_net_namespaces is reached; delete namespaces or raise the limit."
            )
        case (.bindMount, .noSpace):
            (code, message) = (.limitReached, "fs.mount-max is reached; delete namespaces or raise the limit.")
        case (_, .tooManyOpenFiles), (_, .tooManyOpenFilesInSystem):
            (code, message) = (.limitReached, "The limit of open files is reached; raise RLIMIT_NOFILE or fs.file-max.")
        case (_, .noMemory):
            (code, message) = (.outOfMemory, "The kernel has no memory for this now; try again later.")
        case (.write, .noSuchFileOrDirectory):
            (code, message) = (.storageFailure, "A file of the state directory has been removed; restart the daemon.")
        case (_, .noSpace), (_, .readOnlyFileSystem), (_, .diskQuotaExceeded):
            (code, message) = (.storageFailure, "The file system is full or read-only; free space or remount it.")
        default:
            (code, message) = (.kernelFailure, "A system call failed in a way the daemon does not expect.")
        }
        self.init(code, message, cause: cause)
    }
}
