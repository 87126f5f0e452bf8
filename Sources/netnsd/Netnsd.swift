import ArgumentParser

/// The command line: `netnsd [serve]`, `netnsd check`, `netnsd token`, `netnsd version`.
@main
struct Netnsd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "netnsd",
        abstract: "Owns the persistent network namespaces of this host, and offers them over HTTP.",
        subcommands: [ServeCommand.self, CheckCommand.self, TokenCommand.self, VersionCommand.self],
        defaultSubcommand: ServeCommand.self)
}
