import ArgumentParser

/// The flags that say how the daemon goes down.
struct LifeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            After SIGTERM, go on serving for this long with /readyz failing, for load balancers to notice. \
            [NETNSD_DRAIN_DELAY_SECONDS] (default: \(LifeSettings.defaultDrainDelay))
            """, valueName: "n"))
    var drainDelaySeconds: Int?

    @Option(
        help: ArgumentHelp(
            """
            How long requests that have begun may take to end once the listeners are closed; what is left then is \
            answered 503. [NETNSD_DRAIN_SECONDS] (default: \(LifeSettings.defaultDrain))
            """, valueName: "n"))
    var drainSeconds: Int?
}

/// How the daemon goes down: flags before environment before defaults.
struct LifeSettings: Sendable, Equatable {
    static let (defaultDrainDelay, defaultDrain) = (0, 10)

    let drainDelay: Duration
    let drain: Duration

    /// - Throws: `ValidationError` with a line for the user.
    init(_ options: LifeOptions, environment: [String: String]) throws {
        func seconds(_ given: Int?, _ flag: String, _ variable: String, default: Int) throws -> Duration {
            var value = given
            if value == nil, let text = environment[variable], !text.isEmpty {
                value = Int(text)
                if value == nil { throw ValidationError("\(variable) cannot be '\(text)'.") }
            }
            guard (0...3600).contains(value ?? `default`) else {
                throw ValidationError("\(flag) is a number from 0 to 3600.")
            }
            return .seconds(value ?? `default`)
        }
        drainDelay = try seconds(
            options.drainDelaySeconds, "--drain-delay-seconds", "NETNSD_DRAIN_DELAY_SECONDS",
            default: Self.defaultDrainDelay)
        drain = try seconds(
            options.drainSeconds, "--drain-seconds", "NETNSD_DRAIN_SECONDS", default: Self.defaultDrain)
    }
}
