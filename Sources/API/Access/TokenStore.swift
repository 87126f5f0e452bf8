import Dispatch
import LinuxKit
package import Logging
import NamespaceCore
import Synchronization
package import SystemPackage

/// The tokens that are valid now: what the token file had when it could last be read.
package final class TokenStore: Sendable {
    /// What became of a token that was presented.
    enum Verdict {
        case valid(Principal)
        case expired
        case unknown
    }

    private struct State {
        var tokens: [String: Token] = [:]
        /// The file that was last looked into, taken or not.
        var facts: FileFacts?
    }

    /// How often it is looked whether the file is another.
    private static let interval = Duration.seconds(1)

    private let path: FilePath
    private let logger: Logger
    private let state = Mutex(State())

    /// Reads the file. Blocks.
    package init(_ path: FilePath, logger: Logger) throws(TokenFileError) {
        self.path = path
        self.logger = logger
        try reload()
    }

    /// Reads the file again; what cannot be read changes nothing. Blocks.
    package func reload() throws(TokenFileError) {
        let (file, facts) = try TokenFile.read(path)
        let tokens = Dictionary(file.tokens.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        state.withLock { $0 = State(tokens: tokens, facts: facts) }
        logger.notice("tokens read", metadata: ["path": "\(path)", "tokens": "\(tokens.count)"])
    }

    /// Reads the file again when it is another than before, until the task is cancelled.
    package func watch() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.interval)
            await withCheckedContinuation { continuation in
                // Files block, and so must not be read by the cooperative pool's threads.
                DispatchQueue.global().async { [self] in
                    reloadIfChanged()
                    continuation.resume()
                }
            }
        }
    }

    /// Blocks.
    func reloadIfChanged() {
        let facts = try? FileFacts.at(path)
        let isNews = state.withLock { state in
            // A missing file is told of once.
            defer { state.facts = facts }
            return state.facts != facts
        }
        guard isNews else { return }
        do throws(TokenFileError) {
            try reload()
        } catch {
            logger.error("the tokens stay as they are", metadata: ["error": "\(error)"])
        }
    }

    /// Whose token this is.
    func verify(_ text: some Sequence<UInt8>, at time: Timestamp = Timestamp(milliseconds: SystemTime.wallMilliseconds))
        -> Verdict
    {
        guard let (id, secret) = Token.parts(of: text), let token = state.withLock({ $0.tokens[id] }),
            token.hasSecret(secret)
        else { return .unknown }
        if let end = token.expiresAt, end <= time { return .expired }
        return .valid(token.principal)
    }
}
