import Logging

/// Something that the daemon cannot do without, and that can get stuck.
struct Vital: Sendable {
    /// For the log.
    let name: String
    /// Returns true when it answers, perhaps never.
    let check: @Sendable () async -> Bool
    /// Grows while it works, for one that is too busy to answer.
    var progress: @Sendable () -> Int = { 0 }
}

/// The watchdog's beat: it stops when something vital has shown no life for a whole pause between two beats.
///
/// A check that does not come back is not asked again; it is waited for, and nothing piles up behind it.
actor HealthBeat {
    private struct Pulse {
        let vital: Vital
        var isAsked = false
        var hasAnswered = false
        var progress: Int
    }

    private var pulses: [Pulse]
    private let logger: Logger

    init(_ vitals: [Vital], logger: Logger) {
        pulses = vitals.map { Pulse(vital: $0, progress: $0.progress()) }
        self.logger = logger
    }

    /// Calls `beat` every `pause`, except after one in which something vital was silent, until cancelled.
    func run(every pause: Duration, _ beat: @Sendable () -> Void) async {
        _ = takePulse()
        var wasWell = true
        while (try? await Task.sleep(for: pause)) != nil {
            let silent = takePulse()
            if silent.isEmpty {
                beat()
                if !wasWell { logger.notice("the daemon is well again") }
            } else if wasWell {
                logger.critical(
                    "the daemon is stuck, and the watchdog is not told that it is well",
                    metadata: ["silent": "\(silent.joined(separator: ", "))"])
            }
            wasWell = silent.isEmpty
        }
    }

    /// The names of what has been silent since the last time; asks all of it anew.
    func takePulse() -> [String] {
        var silent: [String] = []
        for index in pulses.indices {
            let progress = pulses[index].vital.progress()
            let isSilent = !pulses[index].hasAnswered && progress == pulses[index].progress
            if isSilent { silent.append(pulses[index].vital.name) }
            pulses[index].hasAnswered = false
            pulses[index].progress = progress
            ask(index)
        }
        return silent
    }

    private func ask(_ index: Int) {
        guard !pulses[index].isAsked else { return }
        pulses[index].isAsked = true
        Task { [check = pulses[index].vital.check] in
            let isWell = await check()
            pulses[index].isAsked = false
            pulses[index].hasAnswered = isWell
        }
    }
}
