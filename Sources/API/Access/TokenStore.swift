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

    /// A valid token as it was presented. Clients send one and the same with every request, and its code would take as
    /// long each time as a small answer. It is in memory only, as in libmicrohttpd's buffers, and until the file is
    /// read again.
    private struct Proven {
        let text: [UInt8]
        let principal: Principal
        let expiresAt: Timestamp?

        /// Compares in a time that does not depend on how much of it is right.
        func isPresented(as other: some Collection<UInt8>) -> Bool {
            guard other.count == text.count else { return false }
            return zip(text, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
        }
    }

    private struct State {
        var tokens: [String: Token] = [:]
        /// How often the file was read.
        var readings = 0
        /// The latest ones, the latest last.
        var proven: [Proven] = []
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
        state.withLock { $0 = State(tokens: tokens, readings: $0.readings + 1, facts: facts) }
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

    /// How many tokens are remembered as they were presented.
    private static let mostProven = 8

    /// Whose token this is.
    func verify(
        _ text: some Collection<UInt8>, at time: Timestamp = Timestamp(milliseconds: SystemTime.wallMilliseconds)
    ) -> Verdict {
        guard let proven = state.withLock({ $0.proven.first { $0.isPresented(as: text) } }) ?? prove(text) else {
            return .unknown
        }
        if let end = proven.expiresAt, end <= time { return .expired }
        return .valid(proven.principal)
    }

    /// Computes the code of what is presented; nil when it is no token's.
    private func prove(_ text: some Collection<UInt8>) -> Proven? {
        guard let (id, secret) = Token.parts(of: text) else { return nil }
        let (token, readings) = state.withLock { ($0.tokens[id], $0.readings) }
        guard let token, token.hasSecret(secret) else { return nil }
        let proven = Proven(text: Array(text), principal: token.principal, expiresAt: token.expiresAt)
        state.withLock { state in
            // Read again meanwhile, the file may not have it any more.
            guard state.readings == readings else { return }
            if state.proven.count == Self.mostProven { state.proven.removeFirst() }
            state.proven.append(proven)
        }
        return proven
    }
}
