import LinuxKit
import NamespaceCore

extension [Vital] {
    /// What a daemon that serves depends on.
    static func daemon(_ manager: NamespaceManager, _ workers: KernelWorkers) -> [Vital] {
        [
            Vital(
                name: "the namespace manager",
                check: {
                    await manager.answer()
                    return true
                }),
            Vital(
                name: "the kernel workers",
                check: { (try? await workers.run { (_) throws(SystemError) in }) != nil },
                // A long queue keeps the check waiting, and is no sickness while it moves.
                progress: { workers.jobsBegun }),
        ]
    }
}
