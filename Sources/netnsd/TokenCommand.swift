import API
import ArgumentParser
import LinuxKit
import NamespaceCore
import SystemPackage

/// `netnsd token new`, `netnsd token list`, `netnsd token revoke`: what clients present over TCP.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Make, list and revoke tokens; a running daemon follows within a second or two.",
        subcommands: [New.self, List.self, Revoke.self])

    /// Where the tokens are.
    struct File: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "The file; it has hashes of the tokens only, and its owner alone may use it.", valueName: "file"))
        var tokenFile: String

        var path: FilePath { FilePath(tokenFile) }
    }

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a token, and print it: it is not stored, and cannot be shown again.")

        @OptionGroup var file: File

        @Option(help: "viewer, operator or admin.")
        var role: Role

        @Option(
            help: "What its holder is called, and owns namespaces by, after token:. (default: t- and random digits)")
        var name: String?

        @Option(
            help: ArgumentHelp(
                """
                What an operator may change and delete besides its own: what has these labels, KEY=VALUE, KEY!=VALUE or \
                KEY, separated by commas; all must hold.
                """, valueName: "labels"))
        var selector: String?

        @Option(help: ArgumentHelp("After how many seconds it is no longer valid.", valueName: "seconds"))
        var expiresIn: Int64?

        func validate() throws {
            if let name, !Token.isName(name) {
                throw ValidationError("--name is 1 to 64 of A-Z a-z 0-9 . _ -")
            }
            guard selector == nil || role == .operator else {
                throw ValidationError("--selector is for operators: viewers change nothing, and admins everything.")
            }
            if let text = selector, grant?.contains(where: { Selector.Requirement($0) == nil }) ?? true || text.isEmpty
            {
                throw ValidationError("--selector '\(text)' is not KEY=VALUE, KEY!=VALUE or KEY, separated by commas.")
            }
            if let expiresIn, !(1...3_155_760_000).contains(expiresIn) {
                throw ValidationError("--expires-in is a number of seconds, from 1 to those of a hundred years.")
            }
        }

        private var grant: [String]? {
            selector.map {
                $0.split(separator: ",", omittingEmptySubsequences: false).map { String($0).trimmingSpaces }
            }
        }

        func run() throws {
            let now = Timestamp(milliseconds: SystemTime.wallMilliseconds)
            let expiresAt = expiresIn.map { Timestamp(milliseconds: now.milliseconds + $0 * 1000) }
            let path = file.path
            let text: String?
            do {
                text = try TokenFile.change(path) { (file) throws(TokenFileError) in
                    let made = Token.make(name: name, role: role, grant: grant, at: now, expiresAt: expiresAt)
                    if let made { try file.add(made.token, to: path) }
                    return made?.text
                }
            } catch {
                throw StartFailure.exit(describing: error)
            }
            guard let text else { throw ValidationError("such a token cannot be made") }
            print(text)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the tokens: name, role, selector, end.")

        @OptionGroup var file: File

        func run() throws {
            do {
                for token in try TokenFile.read(file.path).file.tokens {
                    let end = token.expiresAt.map { "until \($0)" } ?? "forever"
                    let selector = token.grant?.joined(separator: ",") ?? "-"
                    print("\(token.name)\t\(token.role.rawValue)\t\(selector)\t\(end)")
                }
            } catch {
                throw StartFailure.exit(describing: error)
            }
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Revoke a token. Its namespaces stay, and belong to the next token of the name.")

        @OptionGroup var file: File

        @Argument(help: "The token's name.")
        var name: String

        func run() throws {
            let (path, name) = (file.path, name)
            do {
                try TokenFile.change(path) { (file) throws(TokenFileError) in try file.remove(named: name, from: path) }
            } catch {
                throw StartFailure.exit(describing: error)
            }
        }
    }
}

extension Role: ExpressibleByArgument {}
