import API
import ArgumentParser

/// `netnsd version`
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Print the version and exit.")

    func run() {
        print("netnsd \(Version.current)")
    }
}
