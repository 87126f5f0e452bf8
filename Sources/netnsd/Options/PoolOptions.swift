import ArgumentParser

/// The flag of the namespaces that are made in advance.
struct PoolOptions: ParsableArguments {
    static let mostWarm = 1024

    @Option(
        help: ArgumentHelp(
            """
            Namespaces to make in advance, so that creating one takes a fraction of the time; 0 for none. \
            [NETNSD_WARM] (default: twice the workers)
            """, valueName: "n"))
    var warm: Int?

    /// The number in force: the flag before `NETNSD_WARM` before the default.
    ///
    /// - Throws: `ValidationError` with a line for the user.
    func namespaces(environment: [String: String], workers: Int) throws -> Int {
        var number = warm ?? min(2 * workers, Self.mostWarm)
        if warm == nil, let text = environment["NETNSD_WARM"], !text.isEmpty {
            guard let value = Int(text) else { throw ValidationError("NETNSD_WARM cannot be '\(text)'.") }
            number = value
        }
        guard (0...Self.mostWarm).contains(number) else {
            throw ValidationError("--warm is a number from 0 to \(Self.mostWarm).")
        }
        return number
    }
}
