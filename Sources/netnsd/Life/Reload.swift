import Logging

/// Something that SIGHUP has read anew, without a request noticing.
struct Reload: Sendable {
    /// What it is, for the log: `the tokens`.
    let name: String
    /// Reads it and puts it in force; throws with the old one still in force.
    let run: @Sendable () async throws -> Void
}

extension [Reload] {
    /// Runs all of them, one after the other, and logs what became of each.
    func runAll(logger: Logger) async {
        for reload in self {
            do {
                try await reload.run()
                logger.notice("reloaded", metadata: ["what": "\(reload.name)"])
            } catch {
                logger.error(
                    "not reloaded; what was in force stays in force",
                    metadata: ["what": "\(reload.name)", "reason": "\(error)"])
            }
        }
        logger.notice("flags and environment variables are not reloaded; restart the daemon to change them")
    }
}
